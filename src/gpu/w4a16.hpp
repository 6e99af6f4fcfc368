// SPDX-License-Identifier: Apache-2.0
// y = x W^T for few rows of bf16 x (1 to 64) and 4-bit weights, repacked once for the order in
// which the kernel reads them.
#pragma once

#include "gpu/status.hpp"

namespace hb::gpu {

enum class WeightFormat { mxfp4, nvfp4, int4g32, int4g128 };

// Bytes of the repacked codes and scales of (out, in) weights.
std::int64_t w4a16_code_bytes(std::int64_t out, std::int64_t in);
std::int64_t w4a16_scale_bytes(WeightFormat format, std::int64_t out, std::int64_t in);

// Weights as schemes/qtensor.hpp has them: codes (out, in / 2), the even column in the low nibble
// (INT4 plus 8); scales (out, in / group), E8M0 or E4M3 bytes or bf16.
struct W4A16Weights {
    WeightFormat format = WeightFormat::mxfp4;
    std::int64_t out = 0, in = 0;
    const void* codes = nullptr;
    const void* scales = nullptr;
    float divisor = 1;
};

// On the host. alpha is what the kernel multiplies its sums by.
Status repack_w4a16(const W4A16Weights& weights, void* codes, void* scales, float* alpha);

struct W4A16Call {
    WeightFormat format = WeightFormat::mxfp4;
    std::int64_t rows = 0, out = 0, in = 0;  // of x, of W
    const void* x = nullptr;                 // bf16 (rows, in), aligned to 16 bytes
    std::int64_t x_stride = 0;               // a multiple of 8
    const void* codes = nullptr;             // repacked
    const void* scales = nullptr;
    float alpha = 1;
    void* y = nullptr;  // bf16 (rows, out)
    std::int64_t y_stride = 0;
};

// The kernel asks for weights before the one ahead of it in the stream has ended: that one must not
// write them. Needs no workspace.
Status w4a16(const W4A16Call& call, Stream stream);

}  // namespace hb::gpu
