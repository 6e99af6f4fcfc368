// SPDX-License-Identifier: Apache-2.0
// A warp's product of row blocks and 128 columns (half a unit): weights expanded to fragments of A,
// x as B. E2M1 by its scale is exact in bf16; INT4 is multiplied as whole numbers and its scale
// follows each group's sum.
#pragma once

#include "gpu/w4a16_plan.hpp"
#include "gpu/w4a16_weights.cuh"

namespace hb::gpu {

template <WeightFormat kFormat>
struct Half {
    static constexpr int kScaleWords = lane_scale_bytes(kFormat) / 4;
    uint4 codes[2];
    std::uint32_t scales[kScaleWords];
};

// What this lane copies of a half of a row block; halves follow one another.
template <WeightFormat kFormat>
struct Source {
    const std::uint8_t *codes, *scales;
};

template <WeightFormat kFormat>
__device__ inline Source<kFormat> source_of(const std::uint8_t* codes, const std::uint8_t* scales,
                                            std::int64_t half, int lane) {
    const int g = lane / 4;
    const int at = kFormat == WeightFormat::nvfp4     ? 16 * g + lane % 4 / 2 * 8
                   : kFormat == WeightFormat::int4g32 ? 16 * g
                   : kFormat == WeightFormat::mxfp4   ? 8 * g
                                                      : 4 * g;
    return {codes + half * (kUnitBytes / 2) + lane * 16,
            scales + half * (unit_scale_bytes(kFormat) / 2) + at};
}

// Into a slot: pieces of 16 bytes, the lanes' next to one another.
template <WeightFormat kFormat>
__device__ inline void fetch_half(const Source<kFormat>& from, int lane, unsigned char* slot) {
    constexpr int kScaleBytes = lane_scale_bytes(kFormat);
    copy_async<16>(slot + lane * 16, from.codes);
    copy_async<16>(slot + 512 + lane * 16, from.codes + 512);
    copy_async<kScaleBytes>(slot + 1024 + lane * kScaleBytes, from.scales);
}

template <WeightFormat kFormat>
__device__ inline void read_half(const unsigned char* slot, int lane, Half<kFormat>& u) {
#pragma unroll
    for (int q = 0; q < 2; ++q)
        u.codes[q] = *reinterpret_cast<const uint4*>(slot + q * 512 + lane * 16);
    const unsigned char* scales = slot + 1024 + lane * lane_scale_bytes(kFormat);
    if constexpr (Half<kFormat>::kScaleWords == 4) {
        const uint4 s = *reinterpret_cast<const uint4*>(scales);
        u.scales[0] = s.x;
        u.scales[1] = s.y;
        u.scales[2] = s.z;
        u.scales[3] = s.w;
    } else if constexpr (Half<kFormat>::kScaleWords == 2) {
        const uint2 s = *reinterpret_cast<const uint2*>(scales);
        u.scales[0] = s.x;
        u.scales[1] = s.y;
    } else {
        u.scales[0] = *reinterpret_cast<const std::uint32_t*>(scales);
    }
}

__device__ inline float low_bf16(std::uint32_t word) {
    return __uint_as_float(word << 16);
}
__device__ inline float high_bf16(std::uint32_t word) {
    return __uint_as_float(word & 0xffff0000u);
}

__device__ inline std::uint32_t word_of(const uint4& v, int i) {
    return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w;
}

template <int kTiles>
__device__ inline void add_scaled(float (&c)[kTiles][4], const float (&part)[kTiles][4],
                                  std::uint32_t scales) {
    const float first = low_bf16(scales), second = high_bf16(scales);
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
        c[tile][0] = fmaf(first, part[tile][0], c[tile][0]);
        c[tile][1] = fmaf(first, part[tile][1], c[tile][1]);
        c[tile][2] = fmaf(second, part[tile][2], c[tile][2]);
        c[tile][3] = fmaf(second, part[tile][3], c[tile][3]);
    }
}

// c += W x over a half. x(tile, column): this lane's eight numbers.
template <WeightFormat kFormat, int kEach, int kTiles, class X>
__device__ inline void multiply_half(const Half<kFormat> (&u)[kEach], float (&c)[kEach][kTiles][4],
                                     X x) {
    constexpr int kGroup = kFormat == WeightFormat::int4g128  ? 4
                           : kFormat == WeightFormat::int4g32 ? 1
                                                              : 0;  // INT4: of 32 columns
    float part[kGroup ? kEach : 1][kTiles][4];
#pragma unroll
    for (int h = 0; h < 4; ++h) {
        std::uint32_t a[kEach][2][4];
#pragma unroll
        for (int i = 0; i < 2 * kEach; ++i) {
            const Half<kFormat>& from = u[i / 2];
            const std::uint32_t w = word_of(from.codes[h / 2], h % 2 * 2 + i % 2);
            if constexpr (kGroup > 0) {
                expand_int4(w, a[i / 2][i % 2]);
            } else {
                const std::uint32_t low = scale_pair<kFormat>(from.scales[h / 2], h % 2 * 2),
                                    high = scale_pair<kFormat>(from.scales[h / 2], h % 2 * 2 + 1);
                expand_e2m1(w, low, high, a[i / 2][i % 2]);
            }
        }
        if constexpr (kGroup > 0) {
#pragma unroll
            for (int i = 0; i < kEach * kTiles * 4; ++i)
                if (h % kGroup == 0) part[i / 4 / kTiles][i / 4 % kTiles][i % 4] = 0;
        }
#pragma unroll
        for (int tile = 0; tile < kTiles; ++tile) {
            const uint4 b = x(tile, h * 32);
#pragma unroll
            for (int r = 0; r < kEach; ++r) {
                float(&sum)[4] = kGroup ? part[kGroup ? r : 0][tile] : c[r][tile];
                multiply_add(sum, a[r][0], b.x, b.y);
                multiply_add(sum, a[r][1], b.z, b.w);
            }
        }
        if constexpr (kGroup > 0) {
#pragma unroll
            for (int r = 0; r < kEach; ++r)
                if (h % kGroup == kGroup - 1)
                    add_scaled<kTiles>(c[r], part[r], u[r].scales[h / kGroup]);
        }
    }
}

}  // namespace hb::gpu
