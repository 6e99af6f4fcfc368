// SPDX-License-Identifier: Apache-2.0
// Typed access to a GGUF's key-value pairs.
#include <cmath>
#include <cstring>

#include "core/error.hpp"
#include "io/gguf.hpp"
#include "io/load_bytes.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

std::optional<std::int64_t> as_whole(GgufKind kind, const std::byte* p) {
    switch (kind) {
        case GgufKind::u8:
            return load<std::uint8_t>(p);
        case GgufKind::i8:
            return load<std::int8_t>(p);
        case GgufKind::u16:
            return load<std::uint16_t>(p);
        case GgufKind::i16:
            return load<std::int16_t>(p);
        case GgufKind::u32:
            return load<std::uint32_t>(p);
        case GgufKind::i32:
            return load<std::int32_t>(p);
        case GgufKind::i64:
            return load<std::int64_t>(p);
        case GgufKind::u64: {
            const auto value = load<std::uint64_t>(p);
            if (value >> 63 == 0) return static_cast<std::int64_t>(value);
            return std::nullopt;
        }
        default:
            return std::nullopt;
    }
}

std::size_t width(GgufKind kind) {
    switch (kind) {
        case GgufKind::u8:
        case GgufKind::i8:
            return 1;
        case GgufKind::u16:
        case GgufKind::i16:
            return 2;
        case GgufKind::u64:
        case GgufKind::i64:
            return 8;
        default:
            return 4;
    }
}

[[noreturn]] void wrong_kind(const Gguf& gguf, std::string_view key, std::string_view wanted) {
    fail("{}: key '{}' is not {}", gguf.file, key, wanted);
}

[[noreturn]] void missing(const Gguf& gguf, std::string_view key) {
    fail("{}: key '{}' is missing", gguf.file, key);
}

}  // namespace

const GgufValue* Gguf::find(std::string_view key) const {
    const auto it = values.find(key);
    return it == values.end() ? nullptr : &it->second;
}

const GgufTensor* Gguf::tensor(std::string_view name) const {
    const auto it = names.find(name);
    return it == names.end() ? nullptr : &tensors[it->second];
}

std::optional<std::int64_t> Gguf::whole_or_none(std::string_view key) const {
    const GgufValue* value = find(key);
    if (!value) return std::nullopt;
    const auto whole = as_whole(value->kind, value->bytes.data());
    if (!whole) wrong_kind(*this, key, "a whole number");
    return whole;
}

std::int64_t Gguf::whole(std::string_view key) const {
    const auto value = whole_or_none(key);
    if (!value) missing(*this, key);
    return *value;
}

std::optional<double> Gguf::real_or_none(std::string_view key) const {
    const GgufValue* value = find(key);
    if (!value) return std::nullopt;
    const bool wide = value->kind == GgufKind::f64;
    if (!wide && value->kind != GgufKind::f32) wrong_kind(*this, key, "a number");
    const double number =
        wide ? load<double>(value->bytes.data()) : load<float>(value->bytes.data());
    if (!std::isfinite(number)) wrong_kind(*this, key, "a finite number");
    if (wide) return number;
    // The decimal that is shortest for the fp32: 1e-05, not 9.99999974738e-06.
    return std::stod(fmt::format("{}", static_cast<float>(number)));
}

std::optional<bool> Gguf::flag_or_none(std::string_view key) const {
    const GgufValue* value = find(key);
    if (!value) return std::nullopt;
    if (value->kind != GgufKind::boolean) wrong_kind(*this, key, "true or false");
    return value->bytes[0] != std::byte{0};
}

std::optional<std::string> Gguf::text_or_none(std::string_view key) const {
    const GgufValue* value = find(key);
    if (!value) return std::nullopt;
    if (value->kind != GgufKind::string) wrong_kind(*this, key, "a text");
    return std::string(reinterpret_cast<const char*>(value->bytes.data()), value->bytes.size());
}

std::string Gguf::text(std::string_view key) const {
    auto value = text_or_none(key);
    if (!value) missing(*this, key);
    return *value;
}

std::vector<std::string_view> Gguf::texts(std::string_view key) const {
    const GgufValue* value = find(key);
    if (!value) missing(*this, key);
    if (value->kind != GgufKind::array || value->element != GgufKind::string)
        wrong_kind(*this, key, "a list of texts");
    std::vector<std::string_view> result;
    const std::byte* p = value->bytes.data();
    for (std::uint64_t i = 0; i < value->count; ++i) {
        const auto length = load<std::uint64_t>(p);
        result.emplace_back(reinterpret_cast<const char*>(p) + 8, length);
        p += 8 + length;
    }
    return result;
}

std::vector<std::int64_t> Gguf::wholes(std::string_view key) const {
    const GgufValue* value = find(key);
    if (!value) missing(*this, key);
    std::vector<std::int64_t> result;
    if (value->kind != GgufKind::array) wrong_kind(*this, key, "a list of whole numbers");
    for (std::uint64_t i = 0; i < value->count; ++i) {
        const auto whole =
            as_whole(value->element, value->bytes.data() + i * width(value->element));
        if (!whole) wrong_kind(*this, key, "a list of whole numbers");
        result.push_back(*whole);
    }
    return result;
}

}  // namespace hb
