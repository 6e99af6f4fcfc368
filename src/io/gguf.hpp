// SPDX-License-Identifier: Apache-2.0
// GGUF version 3: magic, counts, key-value pairs, tensor infos, then aligned tensor data. Values
// and tensors are extents of the file; nothing is copied before it is asked for.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/stored_type.hpp"

namespace hb {

enum class GgufKind : std::uint32_t {
    u8,
    i8,
    u16,
    i16,
    u32,
    i32,
    f32,
    boolean,
    string,
    array,
    u64,
    i64,
    f64
};

struct GgufValue {
    GgufKind kind{};
    GgufKind element{};  // of an array
    std::uint64_t count = 1;
    std::span<const std::byte> bytes;  // a string without its length; an array's elements as stored
};

struct GgufTensor {
    std::string name;
    std::vector<std::int64_t> shape;  // outermost first: (rows, columns)
    const StoredType* type = nullptr;
    std::uint64_t begin = 0, bytes = 0;  // within the file
};

struct Gguf {
    std::string file;                  // names it in errors
    std::span<const std::byte> bytes;  // the whole file
    std::map<std::string, GgufValue, std::less<>> values;
    std::vector<GgufTensor> tensors;                        // in order of `begin`
    std::map<std::string, std::size_t, std::less<>> names;  // index in tensors

    const GgufTensor* tensor(std::string_view name) const;  // null when absent
    const GgufValue* find(std::string_view key) const;
    // Throw Error when the key is absent (without `otherwise`) or of another kind.
    std::int64_t whole(std::string_view key) const;
    std::optional<std::int64_t> whole_or_none(std::string_view key) const;
    std::optional<double> real_or_none(std::string_view key) const;
    std::optional<bool> flag_or_none(std::string_view key) const;
    std::string text(std::string_view key) const;
    std::optional<std::string> text_or_none(std::string_view key) const;
    std::vector<std::string_view> texts(std::string_view key) const;
    std::vector<std::int64_t> wholes(std::string_view key) const;
};

// `bytes` is the whole file and must outlive the result.
Gguf parse_gguf(std::span<const std::byte> bytes, const std::string& file);
// The same for looking at a damaged or foreign file: a tensor may lie anywhere, and one of an
// unknown type has none and no bytes.
Gguf parse_gguf_loosely(std::span<const std::byte> bytes, const std::string& file);

}  // namespace hb
