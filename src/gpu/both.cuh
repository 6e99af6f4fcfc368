// SPDX-License-Identifier: Apache-2.0
// Functions that are the same on the device and on the host, where tests run them without a GPU.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

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

}  // namespace hb::gpu
