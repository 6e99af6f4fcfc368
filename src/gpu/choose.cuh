// SPDX-License-Identifier: Apache-2.0
// Scales and codes of the 32 columns that a thread holds: one group of MX, two of NV. All of it is
// bit for bit the reference (schemes/rules_mx.cpp, rules_nv.cpp, squared_error.hpp):
// - The columns come without the Hadamard factor f. MX scales are powers of two, so f times 2^-e is
//   one exact factor and x f / 2^e one rounding, as in the reference; under NV a power of two f
//   stands in the divisor instead, where it is exact too.
// - Quotients by NV's steps are products and one correction (e2m1.cuh); step and reciprocal of each
//   of the 127 scale codes are in a table that a block makes at its start.
// - A group has one or two elements in each of the reference's 16 lanes of squared errors, so its
//   order of additions is a fixed tree. NV's candidates are estimated first, in any order and
//   without the correction; only where two are too near to tell does the tree decide.
// Groups for which a step here would leave the normal range are refused (false), and done by
// reference_rules.cuh.
#pragma once

#include "gpu/e2m1.cuh"
#include "gpu/reference_rules.cuh"

namespace hb::gpu {

// Of an NV scale code under the divisor; reciprocal 0 where quotient() is not to be used.
struct NvStep {
    float unit, reciprocal, scale, unused;
};

HB_BOTH NvStep nv_step(int code, float divisor) {
    const float scale = E4M3::decode(static_cast<std::uint8_t>(code)), unit = scale / divisor;
    const bool plain = plain_divisor(unit) && divisor >= 0x1p-40f && divisor <= 0x1p40f;
    return {unit, plain ? 1.f / unit : 0.f, scale, 0};
}

constexpr int kNvCodes = 127;

struct Constants {
    float factor = 1;   // the columns times this are the transformed numbers
    float divisor = 1;  // NV: the divisor times this factor
    const NvStep* steps = nullptr;
};

struct Chunk {
    std::uint32_t codes[4];
    std::uint32_t scales;  // a byte a group, the first lowest
};

HB_BOTH constexpr bool is_mx(Rule rule) {
    return rule == Rule::fp_quant || rule == Rule::ceil725 || rule == Rule::mse;
}

template <int kCount>
HB_BOTH float largest_of(const float* v) {
    float a[4] = {};
#pragma unroll
    for (int i = 0; i < kCount; ++i) a[i % 4] = fmaxf(a[i % 4], fabsf(v[i]));
    return fmaxf(fmaxf(a[0], a[1]), fmaxf(a[2], a[3]));
}

template <int kHalf>
HB_BOTH void fold(float (&lanes)[16]) {
#pragma unroll
    for (int l = 0; l < kHalf; ++l) lanes[l] += lanes[l + kHalf];
}

HB_BOTH float tree_sum(float (&lanes)[16]) {
    fold<8>(lanes);
    fold<4>(lanes);
    fold<2>(lanes);
    fold<1>(lanes);
    return lanes[0];
}

// Squared errors of magnitudes y under steps of a half, one and two. Each is of two elements a
// lane, the tree of 16 lanes in pairs: l and l + 8 first, as the reference has it.
struct MxErrors {
    float low, middle, high;
};

template <int kStep>  // twice the step
HB_BOTH float mx_difference(float y, float power) {
    constexpr float kUnit = .5f * kStep;
    const float inside = kStep < 4 ? fminf(y, 6 * kUnit) : y;
    const float capped = kStep < 2 ? fminf(power, 4 * kUnit) : power;
    return y - round_by(inside, fmaxf(capped, kUnit));
}

template <int kStep>
HB_BOTH float mx_error(const float (&y)[32]) {
    float lanes[16];
#pragma unroll
    for (int l = 0; l < 16; ++l) {
        const float a = fabsf(y[l]), b = fabsf(y[l + 16]);
        const float d = mx_difference<kStep>(a, number(bits(a) & 0x7f800000u));
        const float e = mx_difference<kStep>(b, number(bits(b) & 0x7f800000u));
        lanes[l] = fmaf(e, e, d * d);
    }
    return tree_sum(lanes);
}

template <Rule kRule>
HB_BOTH bool choose_mx(float (&v)[32], const Constants& constants, Chunk& out) {
    const float a = largest_of<32>(v) * constants.factor;
    const bool plain = a == 0 || (a >= 0x1p-60f && a <= 0x1p60f);
    const std::uint32_t e = bits(a) >> 23, raise = (bits(a) & 0x7fffffu) >= 0x680001u;  // > 1.8125
    std::uint32_t byte = kRule == Rule::fp_quant  ? e
                         : kRule == Rule::ceil725 ? e - 2 + raise
                                                  : e - 2;
    byte = a == 0 ? std::uint32_t{E8M0::kOne} : byte;
    const float factor = constants.factor * number((254 - byte) << 23);
    float half = .5f * factor;
    if constexpr (kRule == Rule::mse) {
#pragma unroll
        for (int i = 0; i < 32; ++i) v[i] *= factor;
        const float low = mx_error<1>(v), middle = mx_error<2>(v), high = mx_error<4>(v);
        const bool up = high < fminf(low, middle), down = !(middle < low) && !up;
        byte = a == 0 ? byte : up ? byte + 1 : down ? byte - 1 : byte;
        half = a == 0 ? .5f : up ? .25f : down ? 1.f : .5f;
    }
    out.scales = byte;
#pragma unroll
    for (int word = 0; word < 4; ++word) {
        out.codes[word] = e2m1_pack(v + 8 * word, [&](int i) {
            const float x = v[8 * word + i] * half;
            if constexpr (kRule == Rule::fp_quant)
                return quotient(x, 1.f / 3, 3);  // a third rounded, and its reciprocal
            else
                return x;
        });
    }
    return plain;
}

HB_BOTH int nv_code(float scale) {
    const int code = static_cast<int>(two_e4m3(scale, 0) & 0xffu);
    return code < 1 ? 1 : code;
}

template <Rule kRule>
HB_BOTH int nv_candidate(float a, int i, const Constants& constants) {
    const float target = nv_target(kRule, i);
    return nv_code(constants.divisor * quotient(a, target, 1.f / target));
}

// The squared error of a group of 16: the reference's bits.
HB_BOTH float nv_error(const float* v, const NvStep& step, float divisor) {
    float lanes[16];
#pragma unroll
    for (int l = 0; l < 16; ++l) {
        const float m = fabsf(v[l]), q = e2m1_round(quotient(m, step.unit, step.reciprocal));
        const float d = fmaf(-q, step.scale, m * divisor);
        lanes[l] = d * d;
    }
    return tree_sum(lanes);
}

// The same over divisor^2, nearly.
HB_BOTH float nv_estimate(const float* v, const NvStep& step, bool clips) {
    float sums[2] = {};
#pragma unroll
    for (int l = 0; l < 16; ++l) {
        const float y = fabsf(v[l] * step.reciprocal), inside = clips ? fminf(y, 6.f) : y;
        const float d = y - round_by(inside, e2m1_power(inside));
        sums[l % 2] = fmaf(d, d, sums[l % 2]);
    }
    return (sums[0] + sums[1]) * (step.unit * step.unit);
}

template <Rule kRule>
HB_BOTH int nv_exact_best(const float* v, float a, const Constants& constants) {
    float least = INFINITY;
    int best = 1;
#pragma unroll 1
    for (int i = 0; i < nv_targets(kRule); ++i) {
        const int code = nv_candidate<kRule>(a, i, constants);
        const float error = nv_error(v, constants.steps[code], constants.divisor);
        best = error < least || i == 0 ? code : best;
        least = fminf(error, least);
    }
    return best;
}

// How near is too near: with A the group's largest magnitude, S the step, u = 2^-24 and m - q S the
// exact difference, the reference's is off by u m (m times the divisor is rounded), the estimate's
// by 4 u m (reciprocal, product and step), and where m is so near a tie that the two choose
// differently, which takes a relative distance below 6 u, their sizes differ by 12 u m. So the
// roots of the two sums differ by at most D = sqrt(16) 17 u A but for the rounding of squares and
// sums, below 2^-19 of them. With e the least estimate the best has an estimate of at most
// (sqrt(e) + 2 D)^2, that is e + 136 u 2 A sqrt(e) + 4 D^2, and 2 A sqrt(e) <= A^2 / 8 + 8 e. The
// limit allows twice as much.
template <Rule kRule>
HB_BOTH bool nv_best(const float* v, float a, const Constants& constants, int& best) {
    constexpr int kTargets = nv_targets(kRule);
    if constexpr (kTargets == 1) {
        best = nv_candidate<kRule>(a, 0, constants);
        return true;
    }
    float least = INFINITY, second = INFINITY;
    int last = 0;
    bool plain = true, inside = true;  // no saturated or subnormal scale
#pragma unroll
    for (int i = 0; i < kTargets; ++i) {
        const int code = nv_candidate<kRule>(a, i, constants);
        const NvStep step = constants.steps[code];
        plain = plain && step.reciprocal != 0;
        inside = inside && code >= 8 && code < 0x7e;
        float error = nv_estimate(v, step, nv_target(kRule, i) > 6.5f);
        error = code == last ? INFINITY : error;
        best = error < least ? code : best;
        second = fminf(second, fmaxf(error, least));
        least = fminf(error, least);
        last = code;
    }
    if (!plain) return false;
    // A scale that is inside is within 1/16 of its target: only the first target clips.
    if (!inside || second <= fmaf(least, 1 + 0x1p-13f, a * a * 0x1p-18f))
        best = nv_exact_best<kRule>(v, a, constants);
    return true;
}

template <Rule kRule>
HB_BOTH bool choose_nv(const float* v, const Constants& constants, std::uint32_t* codes,
                       std::uint32_t& scale) {
    const float a = largest_of<16>(v);
    int code = kNvZeroGroup;
    bool plain = a == 0;
    if (!plain) plain = nv_best<kRule>(v, a, constants, code) && a >= 0x1p-60f && a <= 0x1p60f;
    const NvStep step = constants.steps[code];
    scale = static_cast<std::uint32_t>(code);
    const float twice = 2 * step.unit, half = .5f * step.reciprocal;
#pragma unroll
    for (int word = 0; word < 2; ++word) {
        codes[word] =
            e2m1_pack(v + 8 * word, [&](int i) { return quotient(v[8 * word + i], twice, half); });
    }
    return plain && step.reciprocal != 0;
}

// v: 32 columns without the factor; under NV, with it unless it is a power of two. False: the
// result is not to be used, ask choose_slowly().
template <Rule kRule>
HB_BOTH bool choose(float (&v)[32], const Constants& constants, Chunk& out) {
    if constexpr (is_mx(kRule)) {
        return choose_mx<kRule>(v, constants, out);
    } else {
        std::uint32_t first = 0, second = 0;
        const bool plain = choose_nv<kRule>(v, constants, out.codes, first),
                   also = choose_nv<kRule>(v + 16, constants, out.codes + 2, second);
        out.scales = first | second << 8;
        return plain && also;
    }
}

// The same by the reference.
template <Rule kRule>
HB_BOTH void choose_slowly(float* v, const Constants& constants, Chunk& out) {
    constexpr int kGroup = is_mx(kRule) ? 32 : 16;
    const float divisor =
        is_mx(kRule) ? (kRule == Rule::fp_quant ? 3.f : 1.f) : constants.divisor / constants.factor;
    for (int i = 0; i < 32; ++i) v[i] *= constants.factor;
    out.scales = 0;
    for (int g = 0; g < 32 / kGroup; ++g) {
        const ReferenceGroup group{v + g * kGroup, kGroup, divisor};
        const int code = is_mx(kRule) ? reference_mx(group, kRule) : reference_nv(group, kRule);
        const auto byte = static_cast<std::uint8_t>(code);
        const float unit = (is_mx(kRule) ? E8M0::decode(byte) : E4M3::decode(byte)) / divisor;
        out.scales |= std::uint32_t{byte} << 8 * g;
        reference_codes(group, unit, out.codes + g * kGroup / 8);
    }
}

}  // namespace hb::gpu
