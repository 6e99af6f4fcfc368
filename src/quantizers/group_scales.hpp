// SPDX-License-Identifier: Apache-2.0
// The scale of a group of columns at the moment when the solver reaches it: its targets hold the
// errors of all columns before. With H = V V^T as in gptq_factor.hpp, what the group's columns cost
// is sum_j V_jj^2 (t_j - q_j)^2, t_j being the target once the group's own earlier errors are in
// it. The rule proposes a scale for the targets as they come, weighed by V_jj^2; that scale and its
// neighbours are tried by solving the group under each, and the cheapest is taken, the rule's own
// on a tie.
#pragma once

#include "core/matrix.hpp"
#include "quantizers/gptq_factor.hpp"
#include "schemes/scale_rule.hpp"

namespace hb {

// A group of a strip, lanes of rows: columns [first, first + size) in solving order.
struct GroupOfStrip {
    View<const float> targets, weights;  // (size, lanes)
    View<const float> push;              // (size, size), of the factor
    const float* pivots;                 // (size): V_jj^2 over their mean
    std::int64_t rows;                   // lanes that are not filler
};

// bits (lanes): the stored scales. Zero points, of a family that has them, follow the rule.
void choose_group_scales(const GroupOfStrip& group, const Scheme& scheme, const ScaleRule& rule,
                         float divisor, std::uint16_t* bits, std::uint8_t* zeros);

}  // namespace hb
