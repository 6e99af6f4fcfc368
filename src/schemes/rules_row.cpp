// SPDX-License-Identifier: Apache-2.0
// Scales of a whole row: A / 127.5 for codes -128..127, as A / 7.5 for INT4, and A / 448 for E4M3.
// A weight's is stored in bf16, that of an input stays in fp32.
#include <algorithm>

#include "core/float_bits.hpp"
#include "formats/all.hpp"
#include "schemes/rules.hpp"
#include "schemes/squared_error.hpp"

namespace hb {

namespace {

float one(float) {
    return 1;
}

float int8_scale(float amax) {
    return amax == 0 ? 1 : amax / 127.5f;
}
float fp8_scale(float amax) {
    return amax == 0 ? 1 : amax / E4M3::max;
}

template <float (*scale)(float amax)>
std::uint16_t absmax(const float* x, const float*, int group, float) {
    return std::max<std::uint16_t>(float_to_bf16(scale(largest_magnitude(x, group))), 1);
}

constexpr ScaleRule kRules[] = {
    {"absmax", "A/127.5", Family::int8, true, one, absmax<int8_scale>, 0, int8_scale},
    {"absmax", "A/448", Family::fp8, true, one, absmax<fp8_scale>, 0, fp8_scale},
};

}  // namespace

std::span<const ScaleRule> row_rules() {
    return kRules;
}

}  // namespace hb
