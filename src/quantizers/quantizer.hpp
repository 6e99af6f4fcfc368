// SPDX-License-Identifier: Apache-2.0
// A quantizer turns one linear layer into codes. It sees the weight in the transformed basis,
// the scales already chosen, and H = sum of x^T x over the calibration rows (empty when not
// needed). Const in, value out; nothing is remembered between layers.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/matrix.hpp"
#include "core/parallel.hpp"
#include "schemes/qtensor.hpp"
#include "schemes/scale_rule.hpp"

namespace hb {

struct LinearReport {
    double weight_mse = 0;    // |W' - W|^2 / |W|^2
    double output_error = 0;  // tr((W'-W) H (W'-W)^T) / tr(W H W^T); undamped H; 0 without H
    double damping = 0;       // relative damping that was used
    std::vector<double> failed_dampings;
    std::int64_t dead_columns = 0;  // inputs that were zero on every calibration row
    double seconds = 0;             // of solving, without measure()
    double flops = 0;               // the solver's products: its share of in^3 / 3, and out in^2
};

struct LinearResult {
    QTensor weight;
    LinearReport report;
};

struct QuantizerOptions {
    double damping = 1e-2;         // relative to mean(diag H)
    bool activation_order = true;  // columns by falling diag H; scales stay where they were
    int block = 32;                // columns between two matrix products; speed only
    // Of GPTQ: when not null, each group's scale is chosen anew by this rule when the solver
    // reaches it, and groups follow one another by falling diag H.
    const ScaleRule* group_rule = nullptr;
    int descent_rounds = 0;  // of coordinate descent after GPTQ, at most
};

// One input site: several linears that read the same input (q/k/v or gate/up or one alone).
struct SiteProblem {
    std::vector<View<const float>> weights;  // each (out, in), transformed
    View<const float> hessian;               // (in, in) symmetric, both triangles; or empty
    std::vector<Scales> scales;              // one for each weight
    const Scheme* scheme = nullptr;
    QuantizerOptions options;
};

struct Quantizer {
    std::string_view name, help;
    bool needs_hessian;
    // Throws Error when H cannot be factored at any damping of the ladder.
    std::vector<LinearResult> (*run)(const SiteProblem& problem, Threads& threads);
};

std::span<const Quantizer> all_quantizers();
const Quantizer& find_quantizer(std::string_view name);

// Fills weight_mse and output_error.
void measure(View<const float> w, const QTensor& q, View<const float> hessian, Threads& threads,
             LinearReport& report);

}  // namespace hb
