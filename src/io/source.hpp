// SPDX-License-Identifier: Apache-2.0
// What stands behind a Checkpoint: mapped files, tensors under their Hugging Face names with the
// place and type of their bytes, and texts. A folder and a GGUF each know how to fill one in.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.hpp"
#include "core/json.hpp"
#include "io/checkpoint.hpp"
#include "io/gguf.hpp"
#include "io/stored_type.hpp"

namespace hb {

struct Derivation;

struct StoredTensor {
    TensorInfo info;
    const StoredType* type = nullptr;  // null: not numbers, raw bytes only
    std::size_t file = 0;
    std::uint64_t begin = 0;        // within that file
    std::int64_t heads = 0;         // rows are stored in interleaved RoPE order; 0: as presented
    float divisor = 1;              // of FP4 blocks
    std::optional<float> original;  // what the file says this number is the reciprocal of
    std::optional<float> value;     // presented instead of the bytes: a single F32
    std::shared_ptr<const Derivation> derivation;  // gives the numbers instead of the bytes
};

struct Derivation {
    StoredTensor from;
    decltype(DerivedTensor::make) make;
};

struct Source {
    std::filesystem::path path;
    Json config;
    std::vector<MappedFile> files;
    std::vector<StoredTensor> tensors;  // sorted by info.name
    std::vector<TensorInfo> infos;      // the same order
    std::function<std::optional<std::string>(std::string_view)> asset;

    const StoredTensor* find(std::string_view name) const;
    const StoredTensor& get(std::string_view name) const;  // throws Error when absent
    std::span<const std::byte> bytes(const StoredTensor& tensor) const;
    void sort();  // tensors by name; fills infos
};

// What the name of a model stands for; throws Error when that is nothing.
Source open_source(const std::string& model);
Source open_folder(const std::filesystem::path& folder);
// Present the tensors and the configuration of another layout as compressed-tensors'.
void present_fp_quant(Source& source);
void present_modelopt(Source& source, const Json& settings);
Source open_gguf(const std::filesystem::path& file);
// The part of open_gguf that reads nothing but `gguf`.
void describe_gguf(const Gguf& gguf, Source& source);

// config.json, tokenizer.json, tokenizer_config.json and generation_config.json of a GGUF.
Json gguf_config(const Gguf& gguf);
std::string gguf_tokenizer(const Gguf& gguf);
std::string gguf_tokenizer_config(const Gguf& gguf);
std::string gguf_generation_config(const Gguf& gguf);
// end tokens (eos, then eot where it differs); none: empty
std::vector<std::int64_t> gguf_end_tokens(const Gguf& gguf);

// Folder of `org/name` in the local Hugging Face cache; empty when `model` has not that form.
std::filesystem::path find_in_cache(const std::string& model);

// Where row r of the presented order lies among the stored rows; heads 0: in the same place.
std::int64_t stored_row(std::int64_t r, std::int64_t rows, std::int64_t heads);

// Rows [first, first + count) of a tensor of numbers, seen as (rows, cols), as the file has them.
Matrix<float> decode_stored_rows(const Source& source, const StoredTensor& tensor,
                                 std::int64_t first, std::int64_t count, std::int64_t cols);
// The same, rounded to the type that is presented.
Matrix<float> decode_rows(const Source& source, const StoredTensor& tensor, std::int64_t first,
                          std::int64_t count, std::int64_t cols);
// The same in bf16, or nothing when that does not hold them exactly.
std::optional<Matrix<std::uint16_t>> decode_bf16_rows(const Source& source,
                                                      const StoredTensor& tensor,
                                                      std::int64_t first, std::int64_t count,
                                                      std::int64_t cols);
// Rows of a tensor of MXFP4 or NVFP4 blocks.
QTensor read_fp4_blocks(const Source& source, const StoredTensor& tensor, std::int64_t first,
                        std::int64_t count, std::int64_t cols);
// Rows of a tensor of Q8_0 blocks.
Q8Tensor read_q8_blocks(const Source& source, const StoredTensor& tensor, std::int64_t first,
                        std::int64_t count, std::int64_t cols);
// A module in compressed-tensors' packing: M.weight_packed or M.weight, and its scales. Checks all
// but the scales, which are checked as they are read.
QuantizedRows packed_rows(const Source& source, const std::string& module, const Scheme& scheme,
                          std::int64_t rows, std::int64_t cols);

}  // namespace hb
