// SPDX-License-Identifier: Apache-2.0
// y = x W^T for many rows (prefill), both sides FP4, on the FP8 tensor cores: x as the quantizer
// folds it (quantize.hpp, Output::folded), W in four bits, repacked once. Operands are exact; sums
// are fp32, taken out of the tensor core's narrower accumulator every 128 columns (64: strict).
#pragma once

#include "gpu/status.hpp"

namespace hb::gpu {

// Bytes of repacked weights (out, in), and how many factors (fp32) go with them.
std::int64_t w4a4_weight_bytes(std::int64_t out, std::int64_t in);
std::int64_t w4a4_factors(std::int64_t out);

// On the host. MXFP4 as schemes/qtensor.hpp has it: codes (out, in / 2), the even column in the low
// nibble; scales (out, in / 32), E8M0 bytes. A row whose scales of groups that are not all zero
// spread over more than 2^26 is refused.
Status repack_w4a4(std::int64_t out, std::int64_t in, const void* codes, const void* scales,
                   float divisor, void* weights, float* factors);

struct W4A4Call {
    std::int64_t rows = 0, out = 0, in = 0;
    const void* x = nullptr;    // E5M2 bytes (rows + extra_rows, in), aligned to 16 bytes
    std::int64_t x_stride = 0;  // bytes, a multiple of 16
    const float* x_factors = nullptr;
    std::int64_t extra_rows = 0;  // of the quantizer, as the two below
    const int* extra_of = nullptr;
    const unsigned* extra_count = nullptr;
    const void* weights = nullptr;  // repacked, aligned to 16 bytes
    const float* weight_factors = nullptr;
    void* y = nullptr;          // bf16 (rows, out), aligned to 16 bytes
    std::int64_t y_stride = 0;  // a multiple of 8
    void* workspace = nullptr;  // zeros before its first use; left fit for the next
    std::int64_t workspace_bytes = 0;
    bool strict = false;
};

std::int64_t w4a4_workspace(std::int64_t rows, std::int64_t extra_rows, std::int64_t out,
                            std::int64_t in);
Status w4a4(const W4A4Call& call, Stream stream);

}  // namespace hb::gpu
