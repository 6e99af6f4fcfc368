// SPDX-License-Identifier: Apache-2.0
// What a quantizing kernel is told, and where a thread's 32 columns lie in memory.
#pragma once

#include "gpu/choose.cuh"
#include "gpu/fwht.cuh"
#include "gpu/swizzle.hpp"

namespace hb::gpu {

struct QuantizeArgs {
    const std::uint16_t* x;
    const std::uint16_t* other;  // of the front
    std::int64_t x_stride;
    std::int64_t rows, cols;
    unsigned chunks;  // of 32 columns in a row, the last perhaps half full
    int block;        // of the rotation
    float factor;     // of the Hadamard matrix
    float divisor, epsilon;
    std::uint8_t* codes;
    std::uint8_t* scales;
    bool swizzled;
    std::int64_t extra_rows;  // of folded output
    int* extra_of;
    unsigned* extra_count;
};

// 32 bf16.
struct Raw {
    uint4 parts[4];
};

__device__ inline Raw load_raw(const std::uint16_t* p) {
    const auto* from = reinterpret_cast<const uint4*>(p);
    return {{__ldcs(from), __ldcs(from + 1), __ldcs(from + 2), __ldcs(from + 3)}};
}
__device__ inline Raw load_raw(const std::uint16_t* p, int columns) {
    if (columns == 32) return load_raw(p);
    Raw raw{};
#pragma unroll
    for (int i = 0; i < 2; ++i)
        if (columns == 16) raw.parts[i] = reinterpret_cast<const uint4*>(p)[i];
    return raw;
}

__device__ inline void unpack(const Raw& raw, float (&v)[32]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const std::uint32_t words[4] = {raw.parts[i].x, raw.parts[i].y, raw.parts[i].z,
                                        raw.parts[i].w};
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            v[8 * i + 2 * k] = number(words[k] << 16);
            v[8 * i + 2 * k + 1] = number(words[k] & 0xffff0000u);
        }
    }
}

__device__ inline int columns_of(const QuantizeArgs& a, unsigned chunk) {
    return static_cast<int>(min(a.cols - std::int64_t{chunk} * 32, std::int64_t{32}));
}

template <Rule kRule>
__device__ inline void store_scales(const QuantizeArgs& a, std::int64_t row, unsigned chunk,
                                    std::uint32_t scales, int columns) {
    constexpr int kEach = is_mx(kRule) ? 1 : 2;
    const std::int64_t groups = a.cols / (32 / kEach), group = std::int64_t{chunk} * kEach;
    std::uint8_t* to =
        a.scales + (a.swizzled ? swizzled_place(row, group, groups) : row * groups + group);
    if (kEach == 1 || columns < 32)
        *to = static_cast<std::uint8_t>(scales);
    else if (reinterpret_cast<std::uintptr_t>(to) % 2 == 0)
        *reinterpret_cast<std::uint16_t*>(to) = static_cast<std::uint16_t>(scales);
    else {
        to[0] = static_cast<std::uint8_t>(scales);
        to[1] = static_cast<std::uint8_t>(scales >> 8);
    }
}

template <Rule kRule>
__device__ inline void store_chunk(const QuantizeArgs& a, std::int64_t row, unsigned chunk,
                                   const Chunk& c) {
    const int columns = columns_of(a, chunk);
    std::uint8_t* to = a.codes + row * (a.cols / 2) + std::int64_t{chunk} * 16;
    if (a.cols % 32 == 0) {
        __stcs(reinterpret_cast<uint4*>(to), uint4{c.codes[0], c.codes[1], c.codes[2], c.codes[3]});
    } else {
        *reinterpret_cast<uint2*>(to) = uint2{c.codes[0], c.codes[1]};
        if (columns == 32) *reinterpret_cast<uint2*>(to + 8) = uint2{c.codes[2], c.codes[3]};
    }
    store_scales<kRule>(a, row, chunk, c.scales, columns);
}

__device__ inline bool power_of_two(float x) {
    return (bits(x) & 0x7fffffu) == 0;
}

// choose() takes any factor of MX, and powers of two of NV.
template <Rule kRule>
__device__ inline float before_choice(const QuantizeArgs& a) {
    return is_mx(kRule) || power_of_two(a.factor) ? 1.f : a.factor;
}

// The block's constants; under NV also its table, for which all threads wait.
template <Rule kRule>
__device__ inline Constants make_constants(const QuantizeArgs& a, NvStep* steps) {
    if constexpr (is_mx(kRule)) {
        return {a.factor, 1, nullptr};
    } else {
        const float factor = power_of_two(a.factor) ? a.factor : 1;
        for (int code = static_cast<int>(threadIdx.x); code < kNvCodes;
             code += static_cast<int>(blockDim.x))
            steps[code] = nv_step(code, a.divisor * factor);
        __syncthreads();
        return {factor, a.divisor * factor, steps};
    }
}

// times: what of the factor is not left to choose().
__device__ inline void rotate(const QuantizeArgs& a, float (&v)[32], float times) {
    fwht_within(v, a.block);
    if (a.block > 32) fwht_across(v, a.block);
    if (times != 1) {
#pragma unroll
        for (int i = 0; i < 32; ++i) v[i] *= times;
    }
}

}  // namespace hb::gpu
