// SPDX-License-Identifier: Apache-2.0
// Scales and codes of the 32 columns that a thread holds: one group of MX, two of NV. All of it is
// bit for bit the reference (schemes/rules_mx.cpp, rules_nv.cpp, squared_error.hpp):
// - The columns come without the Hadamard factor f. MX scales are powers of two, so f times 2^-e is
//   one exact factor and x f / 2^e one rounding, as in the reference; under NV a power of two f
//   stands in the divisor instead, where it is exact too.
// - Quotients by NV's steps are products and one correction (e2m1.cuh); step and reciprocal of each
//   of the 127 scale codes are in a table that a block makes at its start.
// - A group has one or two elements in each of the reference's 16 lanes of squared errors, so its
//   order of additions is a fixed tree.
// Groups for which a step here would leave the normal range go to reference_rules.cuh.
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

HB_BOTH float tree_sum(float (&lanes)[16]) {
#pragma unroll
    for (int half = 8; half > 0; half /= 2) {
#pragma unroll
        for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
    }
    return lanes[0];
}

// Squared error of magnitudes y under a step of `up` = 1 / `down`, a power of two.
HB_BOTH float mx_error(const float (&y)[32], float up, float down) {
    float lanes[16];
#pragma unroll
    for (int l = 0; l < 16; ++l) {
        const float a = fabsf(y[l]), b = fabsf(y[l + 16]);
        const float d = fmaf(-e2m1_round(a * down), up, a), e = fmaf(-e2m1_round(b * down), up, b);
        lanes[l] = fmaf(e, e, d * d);
    }
    return tree_sum(lanes);
}

template <Rule kRule>
__host__ __device__ __noinline__ void slow_mx(float* x, float factor, Chunk& out) {
    constexpr float kDivisor = kRule == Rule::fp_quant ? 3 : 1;
    for (int i = 0; i < 32; ++i) x[i] *= factor;
    const ReferenceGroup group{x, 32, kDivisor};
    const int byte = reference_mx(group, kRule);
    out.scales = static_cast<std::uint32_t>(byte);
    reference_codes(group, E8M0::decode(static_cast<std::uint8_t>(byte)) / kDivisor, out.codes);
}

template <Rule kRule>
HB_BOTH void choose_mx(float (&v)[32], const Constants& constants, Chunk& out) {
    const float a = largest_of<32>(v) * constants.factor;
    if (a != 0 && !(a >= 0x1p-60f && a <= 0x1p60f)) {
        float copy[32];
        for (int i = 0; i < 32; ++i) copy[i] = v[i];
        slow_mx<kRule>(copy, constants.factor, out);
        return;
    }
    const std::uint32_t e = bits(a) >> 23, raise = (bits(a) & 0x7fffffu) >= 0x680001u;  // > 1.8125
    std::uint32_t byte = kRule == Rule::fp_quant ? e : kRule == Rule::ceil725 ? e - 2 + raise : e - 2;
    byte = a == 0 ? std::uint32_t{E8M0::kOne} : byte;
    const float factor = constants.factor * number((254 - byte) << 23);
    float again = 1;
    if constexpr (kRule == Rule::mse) {
#pragma unroll
        for (int i = 0; i < 32; ++i) v[i] *= factor;
        const float low = mx_error(v, .5f, 2), middle = mx_error(v, 1, 1), high = mx_error(v, 2, .5f);
        const bool up = high < fminf(low, middle), down = !(middle < low) && !up;
        if (a != 0) {
            byte = up ? byte + 1 : down ? byte - 1 : byte;
            again = up ? .5f : down ? 2.f : 1.f;
        }
    }
    out.scales = byte;
#pragma unroll
    for (int word = 0; word < 4; ++word) {
        out.codes[word] = e2m1_pack(v + 8 * word, [&](int i) {
            const float x = v[8 * word + i];
            if constexpr (kRule == Rule::fp_quant)  // a third rounded, and its reciprocal
                return fabsf(quotient(x * factor, 1.f / 3, 3));
            else if constexpr (kRule == Rule::mse)
                return fminf(fabsf(x * again), 6.f);
            else
                return fminf(fabsf(x * factor), 6.f);
        });
    }
}

HB_BOTH int nv_code(float scale) {
#ifdef __CUDA_ARCH__
    std::uint16_t two;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(two) : "f"(0.f), "f"(scale));
    const int code = two & 0xff;
#else
    const int code = E4M3::encode(scale);
#endif
    return code < 1 ? 1 : code;
}

// The squared error of a group of 16.
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

__host__ __device__ __noinline__ inline void slow_nv(float* x, Rule rule, Constants constants,
                                                     std::uint32_t* codes, std::uint32_t& scale) {
    const float divisor = constants.divisor / constants.factor;
    for (int i = 0; i < 16; ++i) x[i] *= constants.factor;
    const ReferenceGroup group{x, 16, divisor};
    const int code = reference_nv(group, rule);
    scale = static_cast<std::uint32_t>(code);
    reference_codes(group, E4M3::decode(static_cast<std::uint8_t>(code)) / divisor, codes);
}

// The reference's choice among the rule's targets; false: ask the reference itself.
template <Rule kRule>
HB_BOTH bool nv_best(const float* v, float a, const Constants& constants, int& best) {
    constexpr int kTargets = nv_targets(kRule);
    float least = INFINITY;
#pragma unroll
    for (int i = 0; i < kTargets; ++i) {
        const float target = nv_target(kRule, i);
        const int code = nv_code(constants.divisor * quotient(a, target, 1.f / target));
        const NvStep step = constants.steps[code];
        if (step.reciprocal == 0) return false;
        if constexpr (kTargets == 1) {
            best = code;
        } else {
            const float error = nv_error(v, step, constants.divisor);
            best = error < least ? code : best;
            least = fminf(error, least);
        }
    }
    return true;
}

template <Rule kRule>
HB_BOTH void choose_nv(const float* v, const Constants& constants, std::uint32_t* codes,
                       std::uint32_t& scale) {
    const float a = largest_of<16>(v);
    int code = kNvZeroGroup;
    const bool plain = a == 0 || (a <= 0x1p60f && nv_best<kRule>(v, a, constants, code));
    const NvStep step = constants.steps[code];
    if (!plain || step.reciprocal == 0) {
        float copy[16];
        for (int i = 0; i < 16; ++i) copy[i] = v[i];
        slow_nv(copy, kRule, constants, codes, scale);
        return;
    }
    scale = static_cast<std::uint32_t>(code);
#pragma unroll
    for (int word = 0; word < 2; ++word) {
        codes[word] = e2m1_pack(v + 8 * word, [&](int i) {
            return fminf(fabsf(quotient(v[8 * word + i], step.unit, step.reciprocal)), 6.f);
        });
    }
}

// v: 32 columns without the factor; under NV, with it unless it is a power of two.
template <Rule kRule>
HB_BOTH void choose(float (&v)[32], const Constants& constants, Chunk& out) {
    if constexpr (is_mx(kRule)) {
        choose_mx<kRule>(v, constants, out);
    } else {
        std::uint32_t first = 0, second = 0;
        choose_nv<kRule>(v, constants, out.codes, first);
        choose_nv<kRule>(v + 16, constants, out.codes + 2, second);
        out.scales = first | second << 8;
    }
}

}  // namespace hb::gpu
