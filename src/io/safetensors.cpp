// SPDX-License-Identifier: Apache-2.0
// The header is read as a stream of JSON events, so that its size alone bounds the time and memory.
#include "io/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::size_t kMaxDimensions = 16;

class HeaderReader final : public nlohmann::json_sax<Json> {
public:
    HeaderReader(const std::string& file, SafetensorsHeader& header)
        : file_(file), header_(header) {}

    bool null() override { return wrong("null"); }
    bool boolean(bool) override { return wrong("a boolean"); }
    bool number_integer(std::int64_t) override { return wrong("a negative number"); }
    bool number_float(double, const std::string&) override { return wrong("a fraction"); }
    bool binary(binary_t&) override { return wrong("binary data"); }

    bool number_unsigned(std::uint64_t value) override {
        if (level_ == Level::shape) {
            if (value > std::uint64_t{1} << 48) fail("{}: shape has dimension {}", here(), value);
            if (entry_.shape.size() == kMaxDimensions)
                fail("{}: shape has more than {} dimensions", here(), kMaxDimensions);
            entry_.shape.push_back(static_cast<std::int64_t>(value));
        } else if (level_ == Level::offsets) {
            if (offsets_ == 2) fail("{}: data_offsets has more than two numbers", here());
            (offsets_++ == 0 ? entry_.begin : entry_.end) = value;
        } else {
            return wrong("a number");
        }
        return true;
    }
    bool string(std::string& value) override {
        if (level_ == Level::metadata)
            header_.metadata[key_] = value;
        else if (level_ == Level::tensor && key_ == "dtype")
            entry_.dtype = value;
        else
            return wrong("a string");
        return true;
    }
    bool start_object(std::size_t) override {
        if (level_ == Level::outside)
            level_ = Level::top;
        else if (level_ == Level::top && key_ == "__metadata__")
            level_ = Level::metadata;
        else if (level_ == Level::top)
            begin_tensor();
        else
            return wrong("an object");
        return true;
    }
    bool key(std::string& value) override {
        key_ = value;
        if (level_ != Level::tensor) return true;
        for (std::size_t i = 0; i < kFields.size(); ++i) {
            if (key_ != kFields[i]) continue;
            if (seen_[i]) fail("{}: {} occurs twice", here(), key_);
            seen_[i] = true;
            return true;
        }
        fail("{}: unknown field '{}'", here(), printable(key_));
    }
    bool end_object() override {
        if (level_ == Level::tensor) end_tensor();
        level_ = level_ == Level::top ? Level::outside : Level::top;
        return true;
    }
    bool start_array(std::size_t) override {
        if (level_ == Level::tensor && key_ == "shape")
            level_ = Level::shape;
        else if (level_ == Level::tensor && key_ == "data_offsets")
            level_ = Level::offsets;
        else
            return wrong("an array");
        return true;
    }
    bool end_array() override {
        level_ = Level::tensor;
        return true;
    }
    bool parse_error(std::size_t, const std::string&,
                     const nlohmann::detail::exception& error) override {
        fail("{}: the safetensors header is not valid JSON: {}", file_, json_reason(error));
    }

private:
    enum class Level { outside, top, metadata, tensor, shape, offsets };
    static constexpr std::array<std::string_view, 3> kFields{"dtype", "shape", "data_offsets"};

    std::string here() const {
        const bool inside =
            level_ == Level::tensor || level_ == Level::shape || level_ == Level::offsets;
        return inside ? fmt::format("{}: tensor '{}'", file_, printable(entry_.name)) : file_;
    }
    bool wrong(std::string_view what) {
        fail("{}: the safetensors header has {} at '{}', where it must not be", here(), what,
             printable(key_));
    }
    void begin_tensor() {
        entry_ = {};
        entry_.name = key_;
        seen_ = {};
        offsets_ = 0;
        level_ = Level::tensor;
        if (entry_.name.empty()) fail("{}: a tensor without a name", file_);
    }
    void end_tensor() {
        for (std::size_t i = 0; i < kFields.size(); ++i)
            if (!seen_[i]) fail("{}: {} is missing", here(), kFields[i]);
        if (offsets_ != 2) fail("{}: data_offsets has {} numbers, wanted 2", here(), offsets_);
        header_.entries.push_back(std::move(entry_));
    }

    const std::string& file_;
    SafetensorsHeader& header_;
    Level level_ = Level::outside;
    std::string key_;
    SafetensorsEntry entry_;
    std::array<bool, 3> seen_{};
    int offsets_ = 0;
};

std::string_view header_text(std::span<const std::byte> bytes, const std::string& file) {
    std::uint64_t length = 0;
    if (bytes.size() < 8)
        fail("{} is {} bytes long, too short for a safetensors file. Download it again", file,
             bytes.size());
    std::memcpy(&length, bytes.data(), 8);
    if (length > kMaxHeader)
        fail("{}: safetensors header of {} bytes; at most {} are accepted", file, length,
             kMaxHeader);
    if (length > bytes.size() - 8)
        fail("{}: safetensors header of {} bytes in a file of {}. Download it again", file, length,
             bytes.size());
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8, length);
    if (text.empty() || text.front() != '{')
        fail("{}: the safetensors header does not begin with '{{'", file);
    return text;
}

void check_extents(SafetensorsHeader& header, std::uint64_t data_size, const std::string& file) {
    auto& entries = header.entries;
    std::uint64_t end = 0;
    for (const auto& e : entries) {
        const auto name = printable(e.name);
        const int size = dtype_bytes(e.dtype);
        if (size == 0) fail("{}: tensor '{}': unknown dtype '{}'", file, name, printable(e.dtype));
        if (e.begin > e.end || e.end > data_size)
            fail(
                "{}: tensor '{}': data_offsets [{}, {}] do not lie in the data of {} bytes. "
                "Download it again",
                file, name, e.begin, e.end, data_size);
        if (e.begin < end)
            fail("{}: tensor '{}' overlaps the one before it at byte {}", file, name, e.begin);
        if (e.begin > end)
            fail("{}: {} unused bytes before tensor '{}'", file, e.begin - end, name);
        end = e.end;
        std::uint64_t bytes = static_cast<std::uint64_t>(size);
        for (const auto n : e.shape)
            if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(n), &bytes))
                fail("{}: tensor '{}': the product of its shape overflows", file, name);
        if (bytes != e.end - e.begin)
            fail("{}: tensor '{}': shape and dtype {} need {} bytes, data_offsets give {}", file,
                 name, e.dtype, bytes, e.end - e.begin);
    }
    if (end != data_size) fail("{}: {} bytes after the last tensor", file, data_size - end);
}

}  // namespace

int dtype_bytes(std::string_view dtype) {
    static constexpr std::pair<std::string_view, int> kSizes[] = {
        {"F32", 4}, {"BF16", 2}, {"F16", 2}, {"U8", 1},   {"F8_E4M3", 1}, {"I32", 4},
        {"I64", 8}, {"I8", 1},   {"F64", 8}, {"BOOL", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1},
        {"I16", 2}, {"U16", 2},  {"U32", 4}, {"U64", 8},  {"C64", 8}};
    for (const auto& [name, bytes] : kSizes)
        if (name == dtype) return bytes;
    return 0;
}

SafetensorsHeader parse_safetensors_loosely(std::span<const std::byte> bytes,
                                            const std::string& file) {
    const auto text = header_text(bytes, file);
    SafetensorsHeader header;
    header.data_offset = 8 + text.size();
    HeaderReader reader(file, header);
    Json::sax_parse(text.begin(), text.end(), &reader);

    auto& entries = header.entries;
    std::vector<std::string_view> names;
    for (const auto& entry : entries) names.push_back(entry.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) fail("{}: tensor '{}' occurs twice", file, printable(*twice));

    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
        return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
    });
    return header;
}

SafetensorsHeader parse_safetensors(std::span<const std::byte> bytes, const std::string& file) {
    auto header = parse_safetensors_loosely(bytes, file);
    check_extents(header, bytes.size() - header.data_offset, file);
    return header;
}

}  // namespace hb
