// SPDX-License-Identifier: Apache-2.0
// Scales of MXFP4 and MXINT8: powers of two 2^(b-127). With A = max|x| = m 2^e, 1 <= m < 2, the OCP
// exponent is e - 2, which puts A in [4, 8): above 6 it clips. The rules raise the exponent by one
// when m is large,
//     ocp        never                      ct-round    m >= 1.75, as compressed-tensors does
//     rceil      m > 1.5:  2^ceil(log2(A/6)), never clips (NVIDIA cuDNN)
//     ceil7.25   m > 1.8125:  2^ceil(log2(A/7.25)), near the least squared error of normal data
// or search: `mse` takes the best of e-3, e-2, e-1. `fp-quant` (Castro et al. 2025, "Bridging the
// Gap Between Promise and Performance for Microscaling FP4") divides by 4/3 2^(e-2), so A lands in
// [3, 6): the byte says 2^e and the tensor's divisor 3. `mse43` searches the exponent of that grid.
// MXINT8: int8 elements, the OCP exponent e - 6, which puts A in [64, 128). There `rceil` raises it
// when A would round to 128, m >= 127.5 / 64, so that no element leaves -127..127.
// A zero group stores 127; every byte lies in 1..254.
#include <algorithm>
#include <cmath>

#include "formats/all.hpp"
#include "schemes/rules.hpp"
#include "schemes/squared_error.hpp"

namespace hb {

namespace {

float one(float) {
    return 1;
}
float three(float) {
    return 3;
}

std::uint16_t clamp_byte(int e) {
    return static_cast<std::uint16_t>(std::clamp(e + 127, 1, 254));
}

// floor(log2 a), 128 for infinity
int exponent(float a) {
    return std::min(std::ilogb(a), 128);
}
float mantissa(float a, int e) {
    return std::ldexp(a, -e);
}

// 2^(e - below), or twice that when raise(m)
template <int below = 2, class Raise>
std::uint16_t from_magnitude(const float* x, int group, Raise raise) {
    const float a = largest_magnitude(x, group);
    if (a == 0) return E8M0::kOne;
    const int e = exponent(a);
    return clamp_byte(e - below + raise(mantissa(a, e)));
}

std::uint16_t ocp(const float* x, const float*, int group, float) {
    return from_magnitude(x, group, [](float) { return false; });
}

std::uint16_t ct_round(const float* x, const float*, int group, float) {
    return from_magnitude(x, group, [](float m) { return m >= 1.75f; });
}

std::uint16_t rceil(const float* x, const float*, int group, float) {
    return from_magnitude(x, group, [](float m) { return m > 1.5f; });
}

std::uint16_t ceil725(const float* x, const float*, int group, float) {
    return from_magnitude(x, group, [](float m) { return m > 1.8125f; });
}

std::uint16_t int8_rceil(const float* x, const float*, int group, float) {
    return from_magnitude<6>(x, group, [](float m) { return m >= 127.5f / 64; });
}

std::uint16_t fp_quant(const float* x, const float*, int group, float) {
    const float a = largest_magnitude(x, group);
    return a == 0 ? std::uint16_t{E8M0::kOne} : clamp_byte(exponent(a));
}

// Best of the exponents centre - 1, centre, centre + 1; errors in units of the middle step, into
// which x is divided once: the other quotients are exact multiples of it.
std::uint16_t best_of_three(const float* x, const float* h, int group, float divisor, int above) {
    const float a = largest_magnitude(x, group);
    if (a == 0) return E8M0::kOne;
    const int centre = clamp_byte(exponent(a) + above);
    const float unit = step(Family::mx, static_cast<std::uint16_t>(centre), divisor);
    float y[kMaxGroup];
    for (int i = 0; i < group; ++i) y[i] = x[i] / unit;
    const auto byte = [&](int i) { return std::clamp(centre + i - 1, 1, 254); };
    const int best = first_least(3, [&](int i) {
        const float relative = std::ldexp(1.f, byte(i) - centre);
        return squared_error<E2M1>(y, relative, y, relative, h, group);
    });
    return static_cast<std::uint16_t>(byte(best));
}

std::uint16_t mse(const float* x, const float* h, int group, float divisor) {
    return best_of_three(x, h, group, divisor, -2);
}

std::uint16_t mse43(const float* x, const float* h, int group, float divisor) {
    return best_of_three(x, h, group, divisor, 0);
}

constexpr Family kMx = Family::mx, kMxInt8 = Family::mxint8;
constexpr ScaleRule kRules[] = {
    {"ocp", "2^floor(log2 A) / 4; clips above 6 (OCP MX v1.0)", kMx, true, one, ocp},
    {"ct-round", "ocp, one up from mantissa 1.75 (compressed-tensors)", kMx, true, one, ct_round},
    {"rceil", "2^ceil(log2(A/6)); never clips", kMx, true, one, rceil},
    {"ceil7.25", "2^ceil(log2(A/7.25)); clips a little", kMx, true, one, ceil725},
    {"fp-quant", "4/3 of ocp, divisor 3; never clips (FP-Quant)", kMx, true, three, fp_quant},
    {"mse", "exponent of least squared error", kMx, true, one, mse},
    {"mse43", "4/3 of the exponent of least squared error, divisor 3", kMx, true, three, mse43},
    {"rceil", "2^floor(log2 A) / 64, one up where A would round to 128; never clips", kMxInt8, true,
     one, int8_rceil},
};

}  // namespace

std::span<const ScaleRule> mx_rules() {
    return kRules;
}

}  // namespace hb
