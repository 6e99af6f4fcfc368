// SPDX-License-Identifier: Apache-2.0
// From repacked words to the A fragments of mma.m16n8k16 (w4a16_layout.hpp).
#pragma once

#include "gpu/primitives.cuh"
#include "gpu/w4a16_layout.hpp"

namespace hb::gpu {

// Four registers of E2M1, times the scales of rows g and g + 8 (each twice in a word): exact, since
// two and four bits make at most six.
__device__ inline void expand_e2m1(std::uint32_t w, std::uint32_t low, std::uint32_t high,
                                   std::uint32_t (&a)[4]) {
    constexpr std::uint32_t kMask = 0x81c081c0u;
    const std::uint32_t last =
        ((w << 1) & 0x80008000u) | ((w >> 5) & 0x01000100u) | ((w >> 4) & 0x00c000c0u);
    a[0] = multiply_pairs(w & kMask, low);
    a[1] = multiply_pairs((w << 3) & kMask, high);
    a[2] = multiply_pairs((w << 6) & kMask, low);
    a[3] = multiply_pairs(last, high);
}

// Whole numbers -8..7: 0x4300 + n is 128 + n in bf16.
__device__ inline void expand_int4(std::uint32_t w, std::uint32_t (&a)[4]) {
#pragma unroll
    for (int r = 0; r < 4; ++r) {
        const std::uint32_t shifted = ((w >> 4 * r) & 0x000f000fu) | 0x43004300u;
        a[r] = subtract_pairs(shifted, 0x43084308u);
    }
}

// Byte `index` of a word of scales as bf16, twice.
template <WeightFormat kFormat>
__device__ inline std::uint32_t scale_pair(std::uint32_t word, int index) {
    const std::uint32_t spread =
        __byte_perm(word, 0, 0x4040u | static_cast<unsigned>(index) * 0x101u);
    return kFormat == WeightFormat::mxfp4 ? spread * 128 : spread * 16 + 0x76007600u;
}

}  // namespace hb::gpu
