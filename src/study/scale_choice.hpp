// SPDX-License-Identifier: Apache-2.0
// How the study gives a group its scale: a rule of the product's tables, run by the product's own
// code, or one that exists here alone for comparison, a function from a group to its step.
#pragma once

#include <span>
#include <string_view>

#include "core/matrix.hpp"
#include "core/parallel.hpp"
#include "schemes/scale_rule.hpp"

namespace hb {

struct ScaleChoice {
    std::string_view element, scale, rule;  // "e2m1", "e4m3", "absmax"
    const ScaleRule* stored = nullptr;      // or
    float (*step)(const float* x, int group) = nullptr;

    bool online() const { return !stored || stored->online; }
};

std::span<const ScaleChoice> all_scale_choices();
// Throws Error naming the known ones.
const ScaleChoice& find_scale_choice(std::string_view scale, std::string_view rule);

// What comes back of x: groups of `group` columns, a power of two from 2 to 128 that divides them.
Matrix<float> round_trip(View<const float> x, const ScaleChoice& choice, int group,
                         Threads& threads);  // (rows, columns)

}  // namespace hb
