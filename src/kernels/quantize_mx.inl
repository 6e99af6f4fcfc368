// SPDX-License-Identifier: Apache-2.0
// The MX rules of schemes/rules_mx.cpp for sixteen groups of 32. Scales are powers of two, so a
// quotient under a neighbouring exponent is an exact multiple of the one under the middle exponent.
#pragma once

#include "kernels/quantize.inl"

namespace hb {
namespace {

inline V mx_scale(N biased) {
    return floats(left<23>(biased));
}

inline N mx_or_one(N largest, N biased) {
    return select(less(largest, set(1u)), set(127u), biased);
}

template <Reads What, class Choose>
bool mx_quantize(const float* x, std::int64_t n, float divisor, float* y, Choose choose) {
    return quantize_groups<32, What>(x, n, divisor, y, power_bits(-100), power_bits(100), choose);
}

// MX: 2^(e - Below), or twice that when the magnitude's fraction is at least RaiseFrom.
template <int Below, std::uint32_t RaiseFrom>
V mx_scale_of(const Batch<32>& b) {
    const N fraction = b.largest & set(0x7fffffu);
    const N raise = select(less(fraction, set(RaiseFrom)), set(0u), set(1u));
    return mx_scale(mx_or_one(b.largest, right<23>(b.largest) - set(std::uint32_t{Below}) + raise));
}

template <int Below, std::uint32_t RaiseFrom>
bool mx_from_magnitude(const float* x, std::int64_t n, float divisor, float* y) {
    return mx_quantize<Reads::largest>(x, n, divisor, y, [](const Batch<32>& b, float) {
        return mx_scale_of<Below, RaiseFrom>(b);
    });
}

constexpr std::uint32_t kNever = 0x800000u, kFraction175 = 0x600000u, kAbove15 = 0x400001u,
                        kAbove18125 = 0x680001u, kFraction1275 = 0x7f0000u;

// 127.5 = 64 (1 + kFraction1275 / 2^23)
bool mxint8_rceil(const float* x, std::int64_t n, float divisor, float* y) {
    if (divisor != 1) return false;
    return quantize_groups<32, Reads::largest, Elements::int8>(
        x, n, 1, y, power_bits(-100), power_bits(100),
        [](const Batch<32>& b, float) { return mx_scale_of<6, kFraction1275>(b); });
}

// magnitudes / unit; a power of two, as it is unless there is a divisor, has an exact reciprocal.
inline void divide_all(Batch<32>& b, V unit) {
    const V reciprocal = set(1.f) / unit;
    if (any(less(set(0u), bits(unit) & set(0x7fffffu)))) {
        for (auto& m : b.magnitudes) store(m, load(m) / unit);
    } else {
        for (auto& m : b.magnitudes) store(m, load(m) * reciprocal);
    }
}

inline V squared_error_of(const float (&y)[32][16], float up, float down) {
    V lanes[16];
    for (int e = 0; e < 16; ++e) {
        const V first = load(y[e]), second = load(y[e + 16]);
        const V d = fnma(round_magnitude(first * set(down)), set(up), first);
        const V f = fnma(round_magnitude(second * set(down)), set(up), second);
        lanes[e] = fma(f, f, d * d);
    }
    return tree_sum(lanes);
}

template <int Below>
bool mx_best_of_three(const float* x, std::int64_t n, float divisor, float* y) {
    return mx_quantize<Reads::magnitudes>(x, n, divisor, y, [](Batch<32>& b, float g) {
        const N centre = mx_or_one(b.largest, right<23>(b.largest) - set(std::uint32_t{Below}));
        const V unit = mx_scale(centre) / set(g);
        divide_all(b, unit);
        const V low = squared_error_of(b.magnitudes, .5f, 2),
                middle = squared_error_of(b.magnitudes, 1, 1),
                high = squared_error_of(b.magnitudes, 2, .5f);
        N best = select(less(middle, low), centre, centre - set(1u));
        best = select(less(high, min(middle, low)), centre + set(1u), best);
        return mx_scale(mx_or_one(b.largest, best));
    });
}

}  // namespace
}  // namespace hb
