// SPDX-License-Identifier: Apache-2.0
// Scales of INT4 with zero points, in bf16. The numbers of a group run from low to high, 0 among
// them; the sixteen codes hold that range when the scale is (high - low) / 15. `mse` tries 1.08,
// 1.06, ... 0.50 of it. The zero point follows from the scale: it puts the middle of the range on
// the middle of the codes, so that a smaller scale clips both ends alike.
#include <algorithm>
#include <cmath>

#include "core/float_bits.hpp"
#include "formats/all.hpp"
#include "schemes/rules.hpp"
#include "schemes/squared_error.hpp"

namespace hb {

namespace {

constexpr int kTries = 30;
constexpr std::uint16_t kZeroGroup = 0x3f80;  // 1

struct Range {
    float low = 0, high = 0;
    float scale() const { return high / 15 - low / 15; }
};

Range range_of(const float* x, int group) {
    Range range;
    for (int i = 0; i < group; ++i) {
        range.low = std::min(range.low, x[i]);
        range.high = std::max(range.high, x[i]);
    }
    return range;
}

float zero_of(const Range& range, float unit) {
    return Int4::round(-.5f - (range.low + range.high) / 2 / unit);
}

float one(float) {
    return 1;
}

std::uint16_t nearest(float scale) {
    return std::max<std::uint16_t>(float_to_bf16(scale), 1);
}

std::uint16_t minmax(const float* x, const float*, int group, float) {
    const float scale = range_of(x, group).scale();
    return scale == 0 ? kZeroGroup : nearest(scale);
}

std::uint16_t mse(const float* x, const float* h, int group, float) {
    const Range range = range_of(x, group);
    if (range.scale() == 0) return kZeroGroup;
    const float measure = std::ldexp(1.f, -std::max(std::ilogb(range.scale()), -120));
    float y[kMaxGroup];
    for (int i = 0; i < group; ++i) y[i] = x[i] * measure;
    const auto code = [&](int i) {
        return nearest(range.scale() * (1.08f - .02f * static_cast<float>(i)));
    };
    const int best = first_least(kTries, [&](int i) {
        const float scale = bf16_to_float(code(i)), zero = zero_of(range, scale);
        return squared_error(x, scale, y, scale * measure, h, group,
                             [=](float t) { return Int4::round(t + zero) - zero; });
    });
    return code(best);
}

constexpr ScaleRule kRules[] = {
    {"minmax", "(max - min) / 15", Family::zeroed, false, one, minmax},
    {"mse", "(max - min) / 15 grown or shrunk to the least squared error", Family::zeroed, false,
     one, mse},
};

}  // namespace

std::uint8_t zero_point(const float* x, int group, float unit) {
    return Int4::encode(zero_of(range_of(x, group), unit));
}

std::span<const ScaleRule> zeroed_rules() {
    return kRules;
}

}  // namespace hb
