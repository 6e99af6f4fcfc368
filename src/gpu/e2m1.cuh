// SPDX-License-Identifier: Apache-2.0
// Rounding to E2M1 with the fp32 adder, which rounds to the unit in the last place of its sum, ties
// to even. The code of a >= 0 is a sum of three roundings, one for each spacing,
//     R(4 sat(a/2)) + R(2 sat(a/2 - 1)) + R(sat(a/2 - 2)),    sat: clamp to [0, 1],
// in which a later term is zero until the ones before it have reached their even ends, 4 and 2; so
// one chain of additions to 1.5 2^23 rounds as each alone would, and leaves the code in the last
// bits. Clamping is free in the adder, and a beyond 6 ends at 7.
#pragma once

#include "gpu/both.cuh"

namespace hb::gpu {

HB_BOTH float saturate(float x) {
#ifdef __CUDA_ARCH__
    return __saturatef(x);
#else
    return fminf(fmaxf(x, 0.f), 1.f);
#endif
}

constexpr std::uint32_t kCodeBase = 0x4b400000u;  // 1.5 2^23

// Of half a number, whose sign does not count: kCodeBase + code.
HB_BOTH std::uint32_t e2m1_code(float half) {
    const float a = fabsf(half);
    const float first = fmaf(saturate(a), 4.f, 0x1.8p23f);
    return bits(fmaf(saturate(a - 1), 2.f, first) + saturate(a - 2));
}

// Eight codes with the signs of v, the first in the lowest nibble. half(i): v[i] / (2 steps).
template <class Half>
HB_BOTH std::uint32_t e2m1_pack(const float* v, Half half) {
    constexpr std::uint32_t kBases = kCodeBase * 0x11111111u;  // what the eight bases add up to
    std::uint32_t codes = 0, signs = 0;
#pragma unroll
    for (int i = 7; i >= 0; --i) {
        codes = codes * 16 + e2m1_code(half(i));
        signs = shift_left(signs, bits(v[i]), 4);
    }
    return (codes - kBases) | (signs & 0x88888888u);
}

// The nearest number of E2M1 to a >= 0 where they are multiples of half the power of two `power`
// below max(a, 1).
HB_BOTH float e2m1_power(float a) {
    return number(bits(fmaxf(a, 1.f)) & 0x7f800000u);
}
HB_BOTH float round_by(float a, float power) {
    return fmaf(power, -0x1p22f, fmaf(power, 0x1p22f, a));
}
HB_BOTH float e2m1_round(float a) {
    const float inside = fminf(a, 6.f);
    return round_by(inside, e2m1_power(inside));
}

// a / b by b's reciprocal and one correction; on the same side of every tie of E2M1 as the rounded
// quotient while nothing leaves the normal range and b's fraction is not next to all ones.
HB_BOTH float quotient(float a, float b, float reciprocal) {
    const float q = a * reciprocal;
    return fmaf(fmaf(-q, b, a), reciprocal, q);
}

HB_BOTH bool plain_divisor(float b) {
    return (bits(b) & 0x7fffffu) <= 0x7ffff0u && b >= 0x1p-60f && b <= 0x1p60f;
}

}  // namespace hb::gpu
