// SPDX-License-Identifier: Apache-2.0
// One door to a model on disk: a Hugging Face folder (single or sharded safetensors), a .gguf file,
// or `org/name` in the local Hugging Face cache. Everything behind the door speaks Hugging Face:
// tensor names, row order of q and k, config.json and tokenizer.json are synthesized for a GGUF.
// Nothing is read before it is asked for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"
#include "core/matrix.hpp"
#include "schemes/q8.hpp"
#include "schemes/qtensor.hpp"

namespace hb {

struct TensorInfo {
    std::string name;   // Hugging Face name
    std::string dtype;  // as presented: "F32", "F16", "BF16", "U8", "F8_E4M3", "I32", "I64", ...
    std::vector<std::int64_t> shape;
    std::uint64_t stored_bytes = 0;  // in the file
    std::string stored_type;         // in the file: "BF16", "Q4_1", ...
};

// Rows [first, first + count) of a quantized weight; on any thread.
using QuantizedRows = std::function<QTensor(std::int64_t first, std::int64_t count)>;

// A tensor computed from a stored one of the same shape whenever its rows are read, on any thread.
struct DerivedTensor {
    using Rows = std::function<Matrix<float>(std::int64_t first, std::int64_t count)>;
    std::string name, from, dtype;  // dtype: F32, F16 or BF16, to which it is rounded
    // Rows [first, first + count) of the tensor, made of any rows of `from`.
    std::function<Matrix<float>(const Rows& from, std::int64_t first, std::int64_t count)> make;
};

struct Source;

class Checkpoint {
public:
    // Checks every header; throws Error on the first thing that is wrong. Reads no tensor data.
    static Checkpoint open(const std::string& model);
    // `stored` with another config.json, and with these tensors beside its own or in their place.
    static Checkpoint derive(Checkpoint stored, Json config, std::vector<DerivedTensor> tensors);
    ~Checkpoint();
    Checkpoint(Checkpoint&&) noexcept;
    Checkpoint& operator=(Checkpoint&&) noexcept;

    const std::filesystem::path& path() const;  // folder or file that was opened
    const Json& config() const;                 // config.json
    // A text beside the weights ("tokenizer.json", "tokenizer_config.json",
    // "generation_config.json", "chat_template.jinja"); synthesized for a GGUF where it can be.
    std::optional<std::string> asset(std::string_view name) const;
    std::vector<std::filesystem::path> other_files()
        const;  // non-weight files to copy (none for a GGUF)

    const std::vector<TensorInfo>& tensors() const;       // sorted by name
    const TensorInfo* find(std::string_view name) const;  // null when absent
    bool has(std::string_view name) const { return find(name) != nullptr; }

    // Throw Error when absent, of another shape than wanted, or of a dtype that is not a float.
    Matrix<float> read(std::string_view name, std::int64_t rows, std::int64_t cols) const;
    Matrix<float> read_rows(std::string_view name, std::int64_t first, std::int64_t count,
                            std::int64_t cols) const;  // part of a (rows, cols) tensor
    // The same without rounding to the presented dtype.
    Matrix<float> read_stored_rows(std::string_view name, std::int64_t first, std::int64_t count,
                                   std::int64_t cols) const;
    // The same in bf16, or nothing when that does not hold them exactly.
    std::optional<Matrix<std::uint16_t>> read_bf16_rows(std::string_view name, std::int64_t first,
                                                        std::int64_t count,
                                                        std::int64_t cols) const;
    // Raw bytes as presented (for copying to another checkpoint).
    std::vector<std::byte> read_bytes(std::string_view name) const;
    // The quantized weight of a linear ("model.layers.0.mlp.down_proj"), or nothing when it is
    // dense.
    std::optional<QTensor> read_quantized(std::string_view module, std::int64_t rows,
                                          std::int64_t cols) const;
    // Codes and scales of rows of a tensor whose stored type is Q8_0.
    Q8Tensor read_q8_rows(std::string_view name, std::int64_t first, std::int64_t count,
                          std::int64_t cols) const;
    // The same for reading it in parts while the checkpoint is open; empty when it is dense.
    QuantizedRows quantized_rows(std::string_view module, std::int64_t rows,
                                 std::int64_t cols) const;
    // Tells the kernel that the pages of this tensor, or of every tensor `name.*`, need not stay in
    // memory.
    void drop(std::string_view name) const;
    // The same for rows of one tensor, so that a large one is never wholly in memory.
    void drop_rows(std::string_view name, std::int64_t first, std::int64_t count) const;
    // Changes when any header or any byte of any tensor changes. Streams through the files.
    std::uint64_t fingerprint() const;

private:
    explicit Checkpoint(std::unique_ptr<Source> source);
    std::unique_ptr<Source> source_;
};

}  // namespace hb
