// SPDX-License-Identifier: Apache-2.0
#include "io/gguf_write.hpp"

#include "core/error.hpp"
#include "core/file.hpp"

namespace hb {
namespace {

constexpr std::uint64_t kAlignment = 32;  // the default of the format

template <class T>
void append(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void append_text(std::string& out, std::string_view text) {
    append(out, static_cast<std::uint64_t>(text.size()));
    out += text;
}

void begin(GgufToWrite& gguf, std::string_view key, GgufKind kind) {
    append_text(gguf.keys, key);
    append(gguf.keys, static_cast<std::uint32_t>(kind));
    ++gguf.key_count;
}

void begin_array(GgufToWrite& gguf, std::string_view key, GgufKind element, std::size_t count) {
    begin(gguf, key, GgufKind::array);
    append(gguf.keys, static_cast<std::uint32_t>(element));
    append(gguf.keys, static_cast<std::uint64_t>(count));
}

std::uint64_t up(std::uint64_t n) {
    return (n + kAlignment - 1) / kAlignment * kAlignment;
}

std::uint64_t byte_size(const GgufTensorToWrite& tensor) {
    std::uint64_t elements = 1;
    for (const auto n : tensor.shape) elements *= static_cast<std::uint64_t>(n);
    const auto block = static_cast<std::uint64_t>(tensor.type->block);
    if (static_cast<std::uint64_t>(tensor.shape.back()) % block != 0)
        fail("tensor '{}' has rows of {} elements, not a multiple of {}'s block of {}", tensor.name,
             tensor.shape.back(), tensor.type->name, block);
    return elements / block * static_cast<std::uint64_t>(tensor.type->bytes);
}

std::string header_of(const GgufToWrite& gguf) {
    std::string out = "GGUF";
    append(out, std::uint32_t{3});
    append(out, static_cast<std::uint64_t>(gguf.tensors.size()));
    append(out, gguf.key_count);
    out += gguf.keys;
    std::uint64_t offset = 0;
    for (const auto& tensor : gguf.tensors) {
        append_text(out, tensor.name);
        append(out, static_cast<std::uint32_t>(tensor.shape.size()));
        for (auto n = tensor.shape.rbegin(); n != tensor.shape.rend(); ++n)
            append(out, static_cast<std::uint64_t>(*n));
        append(out, static_cast<std::uint32_t>(tensor.type->ggml));
        append(out, offset);
        offset += up(byte_size(tensor));
    }
    out.resize(up(out.size()));
    return out;
}

}  // namespace

void GgufToWrite::text(std::string_view key, std::string_view value) {
    begin(*this, key, GgufKind::string);
    append_text(keys, value);
}

void GgufToWrite::whole(std::string_view key, std::int64_t value) {
    if (value < 0 || value > 0xffffffffll)
        fail("key '{}' is {}, which does not fit 32 bits", key, value);
    begin(*this, key, GgufKind::u32);
    append(keys, static_cast<std::uint32_t>(value));
}

void GgufToWrite::real(std::string_view key, double value) {
    begin(*this, key, GgufKind::f32);
    append(keys, static_cast<float>(value));
}

void GgufToWrite::flag(std::string_view key, bool value) {
    begin(*this, key, GgufKind::boolean);
    append(keys, static_cast<std::uint8_t>(value));
}

void GgufToWrite::texts(std::string_view key, const std::vector<std::string>& values) {
    begin_array(*this, key, GgufKind::string, values.size());
    for (const auto& value : values) append_text(keys, value);
}

void GgufToWrite::wholes(std::string_view key, const std::vector<std::int32_t>& values) {
    begin_array(*this, key, GgufKind::i32, values.size());
    for (const auto value : values) append(keys, value);
}

void GgufToWrite::reals(std::string_view key, const std::vector<float>& values) {
    begin_array(*this, key, GgufKind::f32, values.size());
    for (const auto value : values) append(keys, value);
}

void write_gguf(const std::filesystem::path& file, GgufToWrite gguf) {
    const std::string header = header_of(gguf);
    FileWriter writer(file);
    writer.write(std::as_bytes(std::span(header.data(), header.size())));
    for (auto& tensor : gguf.tensors) {
        auto bytes = tensor.load();
        if (bytes.size() != byte_size(tensor))
            fail("{}: tensor '{}' gave {} bytes, its shape wants {}", file.string(), tensor.name,
                 bytes.size(), byte_size(tensor));
        bytes.resize(up(bytes.size()));
        writer.write(bytes);
        tensor.load = nullptr;
    }
    writer.commit();
}

}  // namespace hb
