// SPDX-License-Identifier: Apache-2.0
// What was written against what was read: every value of both checkpoints decoded to fp32 through
// Checkpoint, in the same order, a few rows at a time.
#pragma once

#include "layouts/contents.hpp"

namespace hb {

struct Proof {
    std::int64_t tensors = 0, values = 0;
    double largest = 0;                           // difference of two values
    double relative = 0;                          // |in - out| / |in|, Euclidean, over all values
    std::uint64_t digest_in = 0, digest_out = 0;  // of the values' bits
    std::int64_t coded = 0;                       // linears that are quantized on both sides
    std::int64_t recoded = 0;  // of these, whose codes, scales or divisors are not the same
};

// Throws Error when the two do not have the same tensors.
Proof compare(const Contents& in, const Contents& out);

}  // namespace hb
