// SPDX-License-Identifier: Apache-2.0
// What the FP8 tensor core does with sums: one product of 32 columns for each row of the inputs.
#pragma once

#include "gpu/status.hpp"

namespace hb::gpu {

// sums[r] = one instruction's result of E5M2 bytes (rows, 32) times the byte `other`, added to
// starts[r]. rows: a multiple of 64.
Status probe_accumulator(const std::uint8_t* bytes, const float* starts, float* sums,
                         std::int64_t rows, std::uint8_t other, Stream stream);

}  // namespace hb::gpu
