// SPDX-License-Identifier: Apache-2.0
// The FP8 tensor core's sums as probe_test.cu finds them: in one instruction of 32 columns the
// products and the accumulator are aligned to the largest exponent among them, what lies below
// 2^-kFraction of it is cut off each (towards zero), and so is what the sum has below its own.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "core/float_bits.hpp"

namespace hb::gpu {

constexpr int kFraction = 13;

inline double e5m2(std::uint8_t byte) {
    const int exponent = byte >> 2 & 31, mantissa = byte & 3;
    const double value = exponent ? std::ldexp(4 + mantissa, exponent - 17)
                                  : std::ldexp(mantissa, -16);
    return byte & 0x80 ? -value : value;
}

inline double cut(double value, int exponent) {
    return std::ldexp(std::trunc(std::ldexp(value, kFraction - exponent)), exponent - kFraction);
}

// One instruction: `count` products on top of `start`.
inline double accumulate(double start, const double* products, int count) {
    double largest = std::fabs(start);
    for (int i = 0; i < count; ++i) largest = std::max(largest, std::fabs(products[i]));
    if (largest == 0) return 0;
    const int exponent = std::ilogb(largest);
    double sum = cut(start, exponent);
    for (int i = 0; i < count; ++i) sum += cut(products[i], exponent);
    return sum == 0 ? 0 : cut(sum, std::ilogb(sum));
}

}  // namespace hb::gpu
