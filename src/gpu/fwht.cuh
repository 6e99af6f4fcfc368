// SPDX-License-Identifier: Apache-2.0
// Sylvester's Hadamard transform without its factor, in the order of transforms/hadamard.cpp:
// distances 1, 2, 4, ..., every sum rounded. A thread holds 32 neighbouring columns; distances of
// 32 and 64 are between neighbouring lanes, one of which has the sums and the other the
// differences.
#pragma once

#include "gpu/both.cuh"

namespace hb::gpu {

template <int kDistance>
HB_BOTH void fwht_stage(float (&v)[32]) {
#pragma unroll
    for (int i = 0; i < 32; ++i) {
        if (i & kDistance) continue;
        const float a = v[i], b = v[i + kDistance];
        v[i] = a + b;
        v[i + kDistance] = a - b;
    }
}

// The stages within a thread: all of a block of 16 or 32.
HB_BOTH void fwht_within(float (&v)[32], int block) {
    if (block < 16) return;
    fwht_stage<1>(v);
    fwht_stage<2>(v);
    fwht_stage<4>(v);
    fwht_stage<8>(v);
    if (block >= 32) fwht_stage<16>(v);
}

// other + own, or other - own in the lane above: a product by +-1 rounds nothing.
__device__ inline void fwht_across(float (&v)[32], int block) {
    for (int lanes = 1; lanes < block / 32; lanes *= 2) {
        const float sign = threadIdx.x & static_cast<unsigned>(lanes) ? -1.f : 1.f;
#pragma unroll
        for (int i = 0; i < 32; ++i)
            v[i] = fmaf(sign, v[i], __shfl_xor_sync(0xffffffffu, v[i], lanes));
    }
}

}  // namespace hb::gpu
