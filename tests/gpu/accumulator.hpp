// SPDX-License-Identifier: Apache-2.0
// The FP8 tensor core's sums as probe_test.cu finds them: in one instruction of 32 columns the
// products and the accumulator are aligned to the largest exponent among them, that of a product
// being the sum of its factors' (a product of fractions may reach 4); what lies below 2^-kFraction
// of it is cut off each, towards zero, and so is what the sum has below its own.
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
    const double value =
        exponent ? std::ldexp(4 + mantissa, exponent - 17) : std::ldexp(mantissa, -16);
    return byte & 0x80 ? -value : value;
}

inline double cut(double value, int exponent) {
    return std::ldexp(std::trunc(std::ldexp(value, kFraction - exponent)), exponent - kFraction);
}

struct Product {
    double value = 0;
    int exponent = -1000;

    Product() = default;
    Product(double a, double b) : value(a * b) {
        if (value != 0) exponent = std::ilogb(a) + std::ilogb(b);
    }
};

// One instruction: 32 products on top of `start`.
inline double accumulate(double start, const Product* products) {
    int exponent = start == 0 ? -1000 : std::ilogb(start);
    for (int i = 0; i < 32; ++i) exponent = std::max(exponent, products[i].exponent);
    if (exponent == -1000) return 0;
    double sum = cut(start, exponent);
    for (int i = 0; i < 32; ++i) sum += cut(products[i].value, exponent);
    return sum == 0 ? 0 : cut(sum, std::ilogb(sum));
}

}  // namespace hb::gpu
