// SPDX-License-Identifier: Apache-2.0
// Writes GGUF version 3. Keys and tensors stand in the order in which they were added; a tensor's
// bytes are made when the file reaches them.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "io/gguf.hpp"

namespace hb {

struct GgufTensorToWrite {
    std::string name;
    std::vector<std::int64_t> shape;  // outermost first: (rows, columns)
    const StoredType* type = nullptr;
    std::function<std::vector<std::byte>()> load;
};

struct GgufToWrite {
    std::string keys;  // encoded
    std::uint64_t key_count = 0;
    std::vector<GgufTensorToWrite> tensors;

    void text(std::string_view key, std::string_view value);
    void whole(std::string_view key, std::int64_t value);  // throws Error unless it fits a u32
    void real(std::string_view key, double value);         // as F32
    void flag(std::string_view key, bool value);
    void texts(std::string_view key, const std::vector<std::string>& values);
    void wholes(std::string_view key, const std::vector<std::int32_t>& values);
    void reals(std::string_view key, const std::vector<float>& values);
};

void write_gguf(const std::filesystem::path& file, GgufToWrite gguf);  // atomic

}  // namespace hb
