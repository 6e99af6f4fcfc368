// SPDX-License-Identifier: Apache-2.0
// Scales of INT4, in bf16. With codes -8..7, A / 7.5 costs a positive and a negative extreme alike
// half a step: +7.5 becomes 7 and -7.5 becomes -8. `mse` tries 1.08, 1.06, ... 0.50 of it, all
// rounded to bf16.
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

float one(float) {
    return 1;
}

std::uint16_t nearest(float scale) {
    return std::max<std::uint16_t>(float_to_bf16(scale), 1);
}

std::uint16_t absmax(const float* x, const float*, int group, float) {
    const float a = largest_magnitude(x, group);
    return a == 0 ? kZeroGroup : nearest(a / 7.5f);
}

std::uint16_t mse(const float* x, const float* h, int group, float divisor) {
    const float a = largest_magnitude(x, group);
    if (a == 0) return kZeroGroup;
    const float measure = std::ldexp(1.f, -std::max(std::ilogb(a), -120));
    float y[kMaxGroup];
    for (int i = 0; i < group; ++i) y[i] = x[i] * measure;
    const auto code = [=](int i) {
        return nearest(a / 7.5f * (1.08f - .02f * static_cast<float>(i)));
    };
    const int best = first_least(kTries, [&](int i) {
        const float scale = bf16_to_float(code(i));
        return squared_error<Int4>(x, scale / divisor, y, scale * measure, h, group);
    });
    return code(best);
}

constexpr ScaleRule kRules[] = {
    {"absmax", "A/7.5", Family::integer, false, one, absmax},
    {"mse", "A/7.5 grown or shrunk to the least squared error", Family::integer, false, one, mse},
};

}  // namespace

std::span<const ScaleRule> integer_rules() {
    return kRules;
}

}  // namespace hb
