// SPDX-License-Identifier: Apache-2.0
// The scale rules of schemes/rules_mx.cpp and rules_nv.cpp literally, one group in one thread: for
// the groups that the fast forms leave out (magnitudes near the ends of fp32). Slow.
#pragma once

#include <utility>

#include "formats/e2m1.hpp"
#include "formats/e4m3.hpp"
#include "formats/e8m0.hpp"
#include "gpu/both.cuh"
#include "gpu/quantize.hpp"
#include "schemes/nv_targets.hpp"

namespace hb::gpu {

struct ReferenceGroup {
    const float* x;
    int size;
    float divisor;
};

HB_BOTH float reference_largest(const ReferenceGroup& g) {
    float a = 0;
    for (int i = 0; i < g.size; ++i) a = a < fabsf(g.x[i]) ? fabsf(g.x[i]) : a;
    return a;
}

// Sum of (y - q unit)^2 with y = x times, or x over, `measure`, in the order of squared_error.hpp.
template <class ToUnit>
HB_BOTH float reference_error(const ReferenceGroup& g, float step, float unit, ToUnit y) {
    float lanes[16] = {};
    for (int i = 0; i < g.size; ++i) {
        const float d = fmaf(-E2M1::round(g.x[i] / step), unit, y(g.x[i]));
        lanes[i % 16] = fmaf(d, d, lanes[i % 16]);
    }
    for (int half = 8; half > 0; half /= 2)
        for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
    return lanes[0];
}

HB_BOTH int reference_byte(int e) {
    const int b = e + 127;
    return b < 1 ? 1 : b > 254 ? 254 : b;
}

HB_BOTH int reference_mx(const ReferenceGroup& g, Rule rule) {
    const float a = reference_largest(g);
    if (a == 0) return E8M0::kOne;
    const int log = ilogbf(a), e = log < 128 ? log : 128;
    if (rule == Rule::fp_quant) return reference_byte(e);
    if (rule == Rule::ceil725) return reference_byte(e - 2 + (ldexpf(a, -e) > 1.8125f));
    const int centre = reference_byte(e - 2);
    const float unit = E8M0::decode(static_cast<std::uint8_t>(centre)) / g.divisor;
    float y[32];
    for (int i = 0; i < g.size; ++i) y[i] = g.x[i] / unit;
    const ReferenceGroup scaled{y, g.size, 1};
    int best = reference_byte(centre - 128);
    float least = INFINITY;
    for (int i = 0; i < 3; ++i) {
        const int byte = reference_byte(centre - 128 + i);
        const float relative = ldexpf(1.f, byte - centre);
        const float e2 = reference_error(scaled, relative, relative, [](float v) { return v; });
        if (e2 < least) {
            least = e2;
            best = byte;
        }
    }
    return best;
}

// Device code may read a constexpr number, but no constexpr array.
template <const auto& kTargets, int kIndex>
inline constexpr float kTarget = kTargets[kIndex];

template <const auto& kTargets, int... kIndices>
HB_BOTH float target_of(int i, std::integer_sequence<int, kIndices...>) {
    float target = 0;
    ((target = i == kIndices ? kTarget<kTargets, kIndices> : target), ...);
    return target;
}

HB_BOTH float nv_target(Rule rule, int i) {
    switch (rule) {
        case Rule::four_over_six:
            return target_of<kFourOverSix>(i, std::make_integer_sequence<int, 2>());
        case Rule::sweep4:
            return target_of<kSweep4>(i, std::make_integer_sequence<int, 4>());
        case Rule::sweep8:
            return target_of<kSweep8>(i, std::make_integer_sequence<int, 8>());
        default:
            return 6;
    }
}

HB_BOTH constexpr int nv_targets(Rule rule) {
    return rule == Rule::four_over_six ? 2
           : rule == Rule::sweep4      ? 4
           : rule == Rule::sweep8      ? 8
                                       : 1;
}

constexpr int kNvZeroGroup = 0x20;  // 0.125

HB_BOTH int reference_nv(const ReferenceGroup& g, Rule rule) {
    const float a = reference_largest(g);
    if (a == 0) return kNvZeroGroup;
    int best = 1;
    float least = INFINITY;
    for (int i = 0; i < nv_targets(rule); ++i) {
        const int code = E4M3::encode(g.divisor * (a / nv_target(rule, i)));
        const int kept = code < 1 ? 1 : code;
        if (i == 0) best = kept;
        if (nv_targets(rule) == 1) break;
        const float scale = E4M3::decode(static_cast<std::uint8_t>(kept));
        const float e2 =
            reference_error(g, scale / g.divisor, scale, [&](float v) { return v * g.divisor; });
        if (e2 < least) {
            least = e2;
            best = kept;
        }
    }
    return best;
}

// Codes of a group (eight a word) under a unit, by true divisions.
HB_BOTH void reference_codes(const ReferenceGroup& g, float unit, std::uint32_t* words) {
    for (int i = 0; i < g.size; ++i) {
        const std::uint32_t code = E2M1::encode(g.x[i] / unit);
        words[i / 8] = (i % 8 ? words[i / 8] : 0) | code << i % 8 * 4;
    }
}

}  // namespace hb::gpu
