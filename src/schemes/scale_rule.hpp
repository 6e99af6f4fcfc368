// SPDX-License-Identifier: Apache-2.0
// A scale rule chooses the stored scale of a group, and the tensor's divisor from its largest
// magnitude. Rules differ only here: codecs, files and kernels never know which one was used.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/matrix.hpp"
#include "core/parallel.hpp"
#include "schemes/qtensor.hpp"

namespace hb {

struct ScaleRule {
    std::string_view name, help;
    Family family;
    bool online;                   // can serve activations
    float (*divisor)(float amax);  // amax over all tensors that share the divisor
    // Stored scale of one group x[0..group). h weighs squared errors by column, or is null.
    std::uint16_t (*choose)(const float* x, const float* h, int group, float divisor);
    int refits = 0;  // rounds of closed-form divisor refit (alternating optimisation)
    // Scale of a whole row of an input, of largest magnitude amax, in fp32; null under groups.
    float (*row_scale)(float amax) = nullptr;
};

// Zero point of one group x[0..group) under a step, as an element code.
std::uint8_t zero_point(const float* x, int group, float step);

std::span<const ScaleRule> all_scale_rules();
// throws Error naming the rules of that family
const ScaleRule& find_scale_rule(std::string_view name, Family family);

float largest_magnitude(View<const float> w);

// Scales of matrices that share one divisor (q/k/v; gate/up). h: one weight per input column (the
// Hessian's diagonal), or empty. Throws Error when a weight is not finite.
std::vector<Scales> choose_scales(std::span<const View<const float>> tensors,
                                  std::span<const float> h, const Scheme& scheme,
                                  const ScaleRule& rule, Threads& threads);

// Rounds to nearest under a divisor that was chosen before, without refits: a part of a matrix's
// rows by itself gives the codes and scales that it has in the whole.
QTensor quantize_under(View<const float> w, const Scheme& scheme, const ScaleRule& rule,
                       float divisor, Threads& threads);

// How the input of a linear is quantized: dynamic scales of groups under a static divisor, or of
// whole rows.
struct ActivationQuantizer {
    const Scheme* scheme = nullptr;
    const ScaleRule* rule = nullptr;
    float divisor = 1;
};

// Reference, of a row: y[i] = element * scale (the divisor is left to the product's epilogue),
// exact in bf16, and gives 1. Where a row has one scale, y[i] = element, and gives the scale, which
// the epilogue multiplies by.
float quantize_activation(const ActivationQuantizer& q, const float* x, std::int64_t n, float* y);

}  // namespace hb
