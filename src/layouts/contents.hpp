// SPDX-License-Identifier: Apache-2.0
// What a checkpoint holds, whatever its layout: the linears that are quantized, as codes, scales
// and divisors, and every other tensor in the plain type that holds it exactly. Nothing is read
// that is not needed to know this; a writer asks for one tensor after the other.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/checkpoint.hpp"
#include "io/quantization_config.hpp"
#include "model/config.hpp"

namespace hb {

struct QuantizedLinear {
    std::string module;
    const Scheme* scheme = nullptr;
    std::int64_t rows = 0, cols = 0;
    float divisor = 1;
    std::optional<float> input_divisor;
    QuantizedRows read;
};

struct PlainTensor {
    std::string name, dtype;  // dtype: to be written
    std::vector<std::int64_t> shape;
    std::string stored_type;
    bool number = true;   // F32, F16, BF16, or blocks that decode to them
    bool rounds = false;  // the file has more digits than dtype
};

struct Contents {
    const Checkpoint* checkpoint = nullptr;
    ModelConfig model;
    std::optional<QuantizationConfig> quantization;
    std::vector<QuantizedLinear> linears;  // in the order of the blocks
    std::vector<PlainTensor> tensors;      // by name
};

// Checks the model's tensors as loading would.
Contents contents_of(const Checkpoint& checkpoint);

// Rows of a plain tensor as the file has them; a vector is one row.
std::int64_t rows_of(const PlainTensor& tensor);
std::int64_t cols_of(const PlainTensor& tensor);
// Its bytes in its dtype.
std::vector<std::byte> read_plain(const Checkpoint& checkpoint, const PlainTensor& tensor);

// Rows of this many columns that are decoded at a time.
std::int64_t part_rows(std::int64_t cols);

// 1 / divisor; throws Error when that is not a normal number, which `field` could not hold.
float reciprocal(float divisor, const std::string& field);
// The divisor, where its reciprocal does not give it back.
std::optional<float> original_of(float divisor);

// Linears of the blocks and the head that are not quantized.
std::vector<std::string> plain_modules(const Contents& contents);

}  // namespace hb
