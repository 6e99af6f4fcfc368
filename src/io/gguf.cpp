// SPDX-License-Identifier: Apache-2.0
// Every count is checked against the bytes that are left before anything is allocated for it.
#include "io/gguf.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/error.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

constexpr std::uint64_t kMaxName = 65535;
constexpr std::uint64_t kMaxDimension = std::uint64_t{1} << 40;

std::uint64_t size_of(GgufKind kind) {  // 0: of varying size
    switch (kind) {
        case GgufKind::u8:
        case GgufKind::i8:
        case GgufKind::boolean:
            return 1;
        case GgufKind::u16:
        case GgufKind::i16:
            return 2;
        case GgufKind::u32:
        case GgufKind::i32:
        case GgufKind::f32:
            return 4;
        case GgufKind::u64:
        case GgufKind::i64:
        case GgufKind::f64:
            return 8;
        default:
            return 0;
    }
}

class Reader {
public:
    Reader(std::span<const std::byte> bytes, const std::string& file)
        : bytes_(bytes), file_(file) {}

    std::span<const std::byte> take(std::uint64_t n, std::string_view what) {
        if (n > left())
            fail("{}: {} needs {} bytes at {}, but the file ends at {}. Download it again", file_,
                 what, n, at_, bytes_.size());
        const auto part = bytes_.subspan(at_, n);
        at_ += n;
        return part;
    }
    template <class T>
    T number(std::string_view what) {
        T value;
        std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
        return value;
    }
    std::string_view string(std::string_view what) {
        const auto part = take(number<std::uint64_t>(what), what);
        return {reinterpret_cast<const char*>(part.data()), part.size()};
    }
    GgufKind kind(std::string_view key) {
        const auto value = number<std::uint32_t>(key);
        if (value > 12) fail("{}: key '{}' has the unknown type {}", file_, printable(key), value);
        return static_cast<GgufKind>(value);
    }
    GgufValue value(std::string_view key) {
        GgufValue v;
        v.kind = kind(key);
        if (v.kind == GgufKind::array) return array(key);
        if (v.kind == GgufKind::string) {
            const auto text = string(key);
            v.bytes = std::as_bytes(std::span(text.data(), text.size()));
        } else {
            v.bytes = take(size_of(v.kind), key);
        }
        return v;
    }
    std::uint64_t at() const { return at_; }
    std::uint64_t left() const { return bytes_.size() - at_; }

private:
    GgufValue array(std::string_view key) {
        GgufValue v;
        v.kind = GgufKind::array;
        v.element = kind(key);
        v.count = number<std::uint64_t>(key);
        if (v.element == GgufKind::array)
            fail("{}: key '{}' is an array of arrays, which is not supported", file_,
                 printable(key));
        const auto begin = at_;
        const std::uint64_t least = v.element == GgufKind::string ? 8 : size_of(v.element);
        if (v.count > left() / least)
            fail("{}: key '{}' has {} elements, more than the file holds. Download it again", file_,
                 printable(key), v.count);
        if (v.element == GgufKind::string)
            for (std::uint64_t i = 0; i < v.count; ++i) string(key);
        else
            take(v.count * least, key);
        v.bytes = bytes_.subspan(begin, at_ - begin);
        return v;
    }

    std::span<const std::byte> bytes_;
    const std::string& file_;
    std::uint64_t at_ = 0;
};

std::string type_name(std::uint32_t number) {
    static constexpr std::pair<std::uint32_t, std::string_view> kKnown[] = {
        {9, "Q8_1"},    {10, "Q2_K"},    {11, "Q3_K"},  {15, "Q8_K"},   {16, "IQ2_XXS"},
        {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"},
        {22, "IQ2_S"},  {23, "IQ4_XS"},  {24, "I8"},    {25, "I16"},    {26, "I32"},
        {27, "I64"},    {28, "F64"},     {29, "IQ1_M"}, {34, "TQ1_0"},  {35, "TQ2_0"}};
    for (const auto& [known, name] : kKnown)
        if (known == number) return fmt::format("{} ({})", number, name);
    return std::to_string(number);
}

// Dimensions come innermost first.
void read_shape(Reader& in, GgufTensor& tensor, const std::string& file) {
    const auto name = printable(tensor.name);
    const auto dimensions = in.number<std::uint32_t>(tensor.name);
    if (dimensions < 1 || dimensions > 4)
        fail("{}: tensor '{}' has {} dimensions, wanted 1 to 4", file, name, dimensions);
    std::uint64_t elements = 1;
    for (std::uint32_t i = 0; i < dimensions; ++i) {
        const auto n = in.number<std::uint64_t>(tensor.name);
        if (n == 0 || n > kMaxDimension || __builtin_mul_overflow(elements, n, &elements) ||
            elements > kMaxDimension)
            fail("{}: tensor '{}': dimension {} is {}, wanted 1 or more and a size that fits", file,
                 name, i, n);
        tensor.shape.insert(tensor.shape.begin(), static_cast<std::int64_t>(n));
    }
}

GgufTensor read_tensor(Reader& in, const std::string& file, bool loosely) {
    GgufTensor tensor;
    tensor.name = in.string("a tensor's name");
    if (tensor.name.empty() || tensor.name.size() > kMaxName)
        fail("{}: a tensor's name has {} bytes", file, tensor.name.size());
    read_shape(in, tensor, file);
    const auto number = in.number<std::uint32_t>(tensor.name);
    tensor.type = find_ggml_type(number);
    if (!tensor.type && loosely) {
        tensor.begin = in.number<std::uint64_t>(tensor.name);
        return tensor;
    }
    if (!tensor.type)
        fail("{}: tensor '{}' has the unsupported type {}", file, printable(tensor.name),
             type_name(number));
    const auto columns = tensor.shape.back();
    if (columns % tensor.type->block != 0)
        fail("{}: tensor '{}' has rows of {} elements, not a multiple of {}'s block of {}", file,
             printable(tensor.name), columns, tensor.type->name, tensor.type->block);
    tensor.begin = in.number<std::uint64_t>(tensor.name);
    std::uint64_t blocks = static_cast<std::uint64_t>(columns / tensor.type->block);
    for (std::size_t i = 0; i + 1 < tensor.shape.size(); ++i)
        blocks *= static_cast<std::uint64_t>(tensor.shape[i]);
    tensor.bytes = blocks * static_cast<std::uint64_t>(tensor.type->bytes);
    return tensor;
}

std::uint64_t alignment_of(const Gguf& gguf) {
    const auto alignment = gguf.whole_or_none("general.alignment").value_or(32);
    if (alignment < 1 || alignment > 1 << 20 ||
        !std::has_single_bit(static_cast<std::uint64_t>(alignment)))
        fail("{}: general.alignment is {}, wanted a power of two", gguf.file, alignment);
    return static_cast<std::uint64_t>(alignment);
}

void place_tensors(Gguf& gguf, std::uint64_t header, std::uint64_t file_size) {
    const auto alignment = alignment_of(gguf);
    const auto up = [&](std::uint64_t n) { return (n + alignment - 1) & ~(alignment - 1); };
    const auto base = up(header);
    std::uint64_t end = base;
    for (auto& tensor : gguf.tensors) {
        const auto name = printable(tensor.name);
        if (tensor.begin % alignment != 0)
            fail("{}: tensor '{}' begins at {}, not a multiple of the alignment {}", gguf.file,
                 name, tensor.begin, alignment);
        if (base > file_size || tensor.begin > file_size - base ||
            tensor.bytes > file_size - base - tensor.begin)
            fail(
                "{}: tensor '{}' of {} bytes at {} reaches beyond the end of the file. Download it "
                "again",
                gguf.file, name, tensor.bytes, tensor.begin);
        tensor.begin += base;
        if (tensor.begin < up(end))
            fail("{}: tensor '{}' overlaps the one before it", gguf.file, name);
        if (tensor.begin > up(end)) fail("{}: unused bytes before tensor '{}'", gguf.file, name);
        end = tensor.begin + tensor.bytes;
    }
    if (!gguf.tensors.empty() && file_size > up(end))
        fail("{}: {} bytes after the last tensor", gguf.file, file_size - up(end));
}

void index_names(Gguf& gguf) {
    for (std::size_t i = 0; i < gguf.tensors.size(); ++i)
        if (!gguf.names.emplace(gguf.tensors[i].name, i).second)
            fail("{}: tensor '{}' occurs twice", gguf.file, printable(gguf.tensors[i].name));
}

// Returns where the header ends.
std::uint64_t parse(std::span<const std::byte> bytes, const std::string& file, bool loosely,
                    Gguf& gguf) {
    gguf.file = file;
    gguf.bytes = bytes;
    Reader in(bytes, file);
    if (bytes.size() < 4 || std::memcmp(bytes.data(), "GGUF", 4) != 0)
        fail("{} is not a GGUF file: it does not begin with 'GGUF'", file);
    in.take(4, "magic");
    const auto version = in.number<std::uint32_t>("version");
    if (version != 3)
        fail("{}: GGUF version {}{}; only 3 is supported", file, version,
             version == 0x03000000u ? " (a big-endian file)" : "");
    const auto tensors = in.number<std::uint64_t>("tensor count"),
               pairs = in.number<std::uint64_t>("key count");
    if (tensors > in.left() / 32)
        fail("{}: {} tensors in a file of {} bytes", file, tensors, bytes.size());
    if (pairs > in.left() / 13)
        fail("{}: {} keys in a file of {} bytes", file, pairs, bytes.size());
    for (std::uint64_t i = 0; i < pairs; ++i) {
        const std::string key(in.string("a key"));
        if (key.empty() || key.size() > kMaxName) fail("{}: a key has {} bytes", file, key.size());
        if (!gguf.values.emplace(key, in.value(key)).second)
            fail("{}: key '{}' occurs twice", file, printable(key));
    }
    for (std::uint64_t i = 0; i < tensors; ++i)
        gguf.tensors.push_back(read_tensor(in, file, loosely));
    std::sort(gguf.tensors.begin(), gguf.tensors.end(), [](const auto& a, const auto& b) {
        return std::tie(a.begin, a.name) < std::tie(b.begin, b.name);
    });
    return in.at();
}

}  // namespace

Gguf parse_gguf(std::span<const std::byte> bytes, const std::string& file) {
    Gguf gguf;
    const auto header = parse(bytes, file, false, gguf);
    index_names(gguf);
    place_tensors(gguf, header, bytes.size());
    return gguf;
}

Gguf parse_gguf_loosely(std::span<const std::byte> bytes, const std::string& file) {
    Gguf gguf;
    const auto header = parse(bytes, file, true, gguf);
    const auto alignment = alignment_of(gguf);
    const auto base = (header + alignment - 1) & ~(alignment - 1);
    for (std::size_t i = 0; i < gguf.tensors.size(); ++i) {
        auto& tensor = gguf.tensors[i];
        if (__builtin_add_overflow(tensor.begin, base, &tensor.begin)) tensor.begin = ~0ull;
        gguf.names.emplace(tensor.name, i);
    }
    return gguf;
}

}  // namespace hb
