// SPDX-License-Identifier: Apache-2.0
// A key or value of one head in int8: scale = max |x| / 127 rounded up to bf16, so that no code
// clips; code = the integer nearest to x / scale, ties to even. The scale never meets the code: it
// multiplies a key's score, and the probability by which a value is multiplied, so that products
// see whole numbers, which bf16 holds.
#pragma once

#include "kernels/kernels.hpp"

namespace hb {

// The scale of x (n) in bf16; NaN where a number is not finite.
std::uint16_t code_scale(const float* x, std::int64_t n);
// One head's key and value (head_dim) of a position to their places in a coded cache.
void put_codes(KvCache& cache, std::int64_t position, std::int64_t head, const float* key,
               const float* value);

}  // namespace hb
