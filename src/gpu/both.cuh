// SPDX-License-Identifier: Apache-2.0
// Functions that are the same on the device and on the host, where tests run them without a GPU.
#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <cmath>
#include <cstdint>

#include "formats/e4m3.hpp"

#define HB_BOTH __host__ __device__ inline

namespace hb::gpu {

HB_BOTH std::uint32_t bits(float x) {
#ifdef __CUDA_ARCH__
    return __float_as_uint(x);
#else
    return std::bit_cast<std::uint32_t>(x);
#endif
}

HB_BOTH float number(std::uint32_t u) {
#ifdef __CUDA_ARCH__
    return __uint_as_float(u);
#else
    return std::bit_cast<float>(u);
#endif
}

// The low, high word of (high : low) shifted right, left by n < 32.
HB_BOTH std::uint32_t shift_right(std::uint32_t high, std::uint32_t low, int n) {
#ifdef __CUDA_ARCH__
    return __funnelshift_r(low, high, static_cast<unsigned>(n));
#else
    return static_cast<std::uint32_t>(((std::uint64_t{high} << 32) | low) >> n);
#endif
}
HB_BOTH std::uint32_t shift_left(std::uint32_t high, std::uint32_t low, int n) {
#ifdef __CUDA_ARCH__
    return __funnelshift_l(low, high, static_cast<unsigned>(n));
#else
    return static_cast<std::uint32_t>((((std::uint64_t{high} << 32) | low) << n) >> 32);
#endif
}

// Nearest E4M3 codes, ties to even, the first in the low byte.
HB_BOTH std::uint32_t two_e4m3(float first, float second) {
#ifdef __CUDA_ARCH__
    std::uint16_t two;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(two) : "f"(second), "f"(first));
    return two;
#else
    return E4M3::encode(first) | std::uint32_t{E4M3::encode(second)} << 8;
#endif
}

}  // namespace hb::gpu
