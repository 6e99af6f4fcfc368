// SPDX-License-Identifier: Apache-2.0
// A model's weights as samples: one for each kind of linear (q_proj, ...), a tensor for each block.
#pragma once

#include <cstdint>
#include <vector>

#include "io/checkpoint.hpp"
#include "study/samples.hpp"

namespace hb {

// Rows at even distances, so many that a sample has about `count` weights, and at least one a
// block. Throws Error for a model whose linears are in 4 or 8 bits already.
std::vector<Sample> weight_samples(const Checkpoint& checkpoint, std::int64_t count);

}  // namespace hb
