// SPDX-License-Identifier: Apache-2.0
// Scales of NVFP4: E4M3 codes under one fp32 divisor g a tensor. A group of largest magnitude A has
// its absmax scale at a = g A / 6. `absmax` (g = 2688 / amax, so that a <= 448) stores the nearest
// code. `four-over-six` (arXiv 2512.02010; g = 1536 / amax, a <= 256) also tries A / 4 for the
// spacing below 6. `sweep4` and `sweep8` try A / t for the t that were best on normal and Laplace
// data; `sweep` every code in [.5, 1.6] a, hence the least squared error there is (arXiv
// 2606.07618). `sweep-alternating` also refits g: choose_scales() alternates. `fp-quant-mse` is
// FP-Quant's observer: A / 6 shrunk by 0.8 % steps, sum |error|^2.4 before the scale is rounded. A
// group of zeros stores 0.125; another never less than the smallest subnormal, 2^-9.
#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/all.hpp"
#include "schemes/nv_targets.hpp"
#include "schemes/rules.hpp"
#include "schemes/squared_error.hpp"

namespace hb {

namespace {

constexpr std::uint16_t kZeroGroup = 0x20;  // 0.125

// numerator / amax, kept finite: an amax near the subnormals stops at 2^127.
float divisor_for(float numerator, float amax) {
    return amax == 0 ? 1.f : std::min(numerator / amax, 0x1p127f);
}
float whole_range(float amax) {
    return divisor_for(448 * 6, amax);
}
float headroom(float amax) {
    return divisor_for(256 * 6, amax);
}

std::uint16_t nearest_code(float scale) {
    return std::max<std::uint16_t>(E4M3::encode(scale), 1);
}

std::uint16_t absmax(const float* x, const float*, int group, float divisor) {
    const float a = largest_magnitude(x, group);
    return a == 0 ? kZeroGroup : nearest_code(divisor * (a / 6));
}

// The code of least squared error among code(0..n-1); errors in units of the divisor.
template <class Code>
std::uint16_t best_code(const float* x, const float* h, int group, float divisor, int n,
                        Code code) {
    float y[kMaxGroup];
    for (int i = 0; i < group; ++i) y[i] = x[i] * divisor;
    const int best = first_least(n, [&](int i) {
        const std::uint16_t c = code(i);
        const float scale = decode_scale(Family::nv, c);
        return squared_error<E2M1>(x, scale / divisor, y, scale, h, group);
    });
    return code(best);
}

template <std::size_t N>
std::uint16_t best_target(const float* x, const float* h, int group, float divisor,
                          const float (&targets)[N]) {
    const float a = largest_magnitude(x, group);
    if (a == 0) return kZeroGroup;
    return best_code(x, h, group, divisor, N,
                     [&](int i) { return nearest_code(divisor * (a / targets[i])); });
}

std::uint16_t four_over_six(const float* x, const float* h, int group, float divisor) {
    return best_target(x, h, group, divisor, kFourOverSix);
}

std::uint16_t sweep4(const float* x, const float* h, int group, float divisor) {
    return best_target(x, h, group, divisor, kSweep4);
}

std::uint16_t sweep8(const float* x, const float* h, int group, float divisor) {
    return best_target(x, h, group, divisor, kSweep8);
}

std::uint16_t sweep(const float* x, const float* h, int group, float divisor) {
    const float largest = largest_magnitude(x, group);
    if (largest == 0) return kZeroGroup;
    const float a = divisor * (largest / 6);
    std::uint16_t low = nearest_code(.5f * a), high = nearest_code(1.6f * a);
    if (low < high && decode_scale(Family::nv, low) < .5f * a) ++low;
    if (low < high && decode_scale(Family::nv, high) > 1.6f * a) --high;
    return best_code(x, h, group, divisor, high - low + 1,
                     [=](int i) { return static_cast<std::uint16_t>(low + i); });
}

std::uint16_t fp_quant_mse(const float* x, const float* h, int group, float divisor) {
    const float a = largest_magnitude(x, group);
    if (a == 0) return kZeroGroup;
    const auto shrunk = [](int i) { return (1 - .008f * static_cast<float>(i)) / 6; };
    int best = 0;
    float least = std::numeric_limits<float>::infinity();
    for (int i = 0; i < 100; ++i) {
        float error = 0;
        for (int k = 0; k < group && error < least; ++k) {
            const float y = x[k] / a, d = y - E2M1::round(y / shrunk(i)) * shrunk(i);
            error += (h ? h[k] : 1) * std::pow(std::fabs(d), 2.4f);
        }
        if (error < least) {
            least = error;
            best = i;
        }
    }
    return nearest_code(divisor * (a * shrunk(best)));
}

constexpr Family kNv = Family::nv;
constexpr ScaleRule kRules[] = {
    {"absmax", "A/6", kNv, true, whole_range, absmax},
    {"four-over-six", "A/6 or A/4 by squared error", kNv, true, headroom, four_over_six},
    {"sweep4", "best of four multiples of A", kNv, true, headroom, sweep4},
    {"sweep8", "best of eight multiples of A", kNv, true, headroom, sweep8},
    {"sweep", "best of all scales in [.5, 1.6] A/6", kNv, true, headroom, sweep},
    {"sweep-alternating", "sweep, the divisor refitted between", kNv, false, headroom, sweep, 3},
    {"fp-quant-mse", "A/6 shrunk to the least |error|^2.4 (FP-Quant)", kNv, false, whole_range,
     fp_quant_mse},
};

}  // namespace

std::span<const ScaleRule> nv_rules() {
    return kRules;
}

}  // namespace hb
