// SPDX-License-Identifier: Apache-2.0
// The largest matrix of a model is read and packed by parts of its rows, so that it is never in
// memory a second time: logits = alpha * weight * x. In q8_0 a group's scale is its largest
// magnitude / 127; in mxfp4 and nvfp4 every weight is rounded to nearest under the scale rules of
// mxfp4a16 and nvfp4a16, the divisor of NV taken from the whole matrix. x is quantized for q8_0a8
// alone, to MXINT8.
#pragma once

#include <functional>

#include "engine/storage.hpp"
#include "io/checkpoint.hpp"
#include "kernels/kernels.hpp"
#include "model/config.hpp"

namespace hb {

struct Head {
    PackedMatrix weight;  // (vocab, hidden)
    float alpha = 1;
};

// Rows [first, first + count) of a matrix; asked for in order, for some types twice.
struct RowSource {
    std::int64_t rows = 0, cols = 0;
    std::function<Matrix<float>(std::int64_t first, std::int64_t count)> read;
};

// Throws Error when a number is not finite or the type's groups do not divide the columns.
Head make_head(const RowSource& source, HeadType type, WeightStorage storage, Threads& threads);
// lm_head, or the embedding where the two are tied. Throws Error naming the tensor.
Head load_head(const Checkpoint& checkpoint, const ModelConfig& config, HeadType type,
               WeightStorage storage, Threads& threads);

}  // namespace hb
