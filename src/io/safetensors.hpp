// SPDX-License-Identifier: Apache-2.0
// safetensors: u64 header length, a JSON header, raw tensor data. Strict when reading (no holes, no
// overlaps, no trailing bytes, shape times size equals the extent), canonical when writing (tensors
// sorted by alignment then name, header padded to 8).
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.hpp"
#include "core/json.hpp"

namespace hb {

struct SafetensorsEntry {
    std::string name, dtype;
    std::vector<std::int64_t> shape;
    std::uint64_t begin = 0, end = 0;  // within the data section
};

struct SafetensorsHeader {
    std::uint64_t data_offset = 0;          // where the data section begins in the file
    std::vector<SafetensorsEntry> entries;  // sorted by begin
    std::map<std::string, std::string> metadata;
};

// Bytes of one element, or 0 when the dtype is unknown.
int dtype_bytes(std::string_view dtype);

// `bytes` is the whole file; `file` names it in errors.
SafetensorsHeader parse_safetensors(std::span<const std::byte> bytes, const std::string& file);
// The same whatever the extents are, for looking at a damaged file: a tensor may lie anywhere.
SafetensorsHeader parse_safetensors_loosely(std::span<const std::byte> bytes,
                                            const std::string& file);

struct TensorToWrite {
    std::string name, dtype;
    std::vector<std::int64_t> shape;
    // Gives the bytes when the writer reaches them, so that one tensor is in memory at a time.
    std::function<std::vector<std::byte>()> load;
    // Of a stored reciprocal: the number that it was made from, when 1 / reciprocal is not it. Goes
    // into the metadata.
    std::optional<float> original = std::nullopt;
};

// The metadata key under which the original of a tensor's number stands.
std::string original_key(std::string_view tensor);

// Atomic (temporary name, fsync, rename). The bytes depend on the tensors alone, not on their
// order.
void write_safetensors(const std::filesystem::path& path, std::vector<TensorToWrite> tensors);

// Puts tensors into `folder` as model.safetensors, or as shards of at most `shard_bytes` and an
// index, the index last. Files get their final names only after all of them are complete on disk.
void write_sharded(const std::filesystem::path& folder, std::vector<TensorToWrite> tensors,
                   std::uint64_t shard_bytes);

}  // namespace hb
