// SPDX-License-Identifier: Apache-2.0
// Rounding to E2M1 with the fp32 adder. With P the power of two below max(a, 1), the numbers of
// E2M1 near a are multiples of P/2, and a + 2^22 P, whose unit in the last place is P/2, is rounded
// to one of them, ties to even. Adding 3 P more leaves in the sum's bits
//     (149 + log2 P) 2^23 + 6 + n,    n = a / (P/2) rounded,
// and 6 + n + 2 (149 + log2 P), which is that plus itself shifted by 22, ends in the four bits
// 0, code: n + 2 log2 P is the code.
#pragma once

#include "gpu/both.cuh"

namespace hb::gpu {

HB_BOTH float e2m1_power(float a) {
    return number(bits(fmaxf(a, 1.f)) & 0x7f800000u);
}

// 0 <= a < 7: a nibble under other bits.
HB_BOTH std::uint32_t e2m1_nibble(float a) {
    const std::uint32_t t = bits(fmaf(e2m1_power(a), 0x1p22f + 3, a));
    return t + (t >> 22);
}

// The nearest number of E2M1 to a >= 0.
HB_BOTH float e2m1_round(float a) {
    const float inside = fminf(a, 6.f), power = e2m1_power(inside);
    return fmaf(power, -0x1p22f, fmaf(power, 0x1p22f, inside));
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

// Eight codes of magnitudes under signs, the first in the lowest nibble. magnitude(i) < 7.
template <class Magnitude>
HB_BOTH std::uint32_t e2m1_pack(const float* v, Magnitude magnitude) {
    std::uint32_t codes = 0, signs = 0;
#pragma unroll
    for (int i = 0; i < 8; ++i) codes = shift_right(e2m1_nibble(magnitude(i)), codes, 4);
#pragma unroll
    for (int i = 7; i >= 0; --i) signs = shift_left(signs, bits(v[i]), 4);
    return codes | (signs & 0x88888888u);
}

}  // namespace hb::gpu
