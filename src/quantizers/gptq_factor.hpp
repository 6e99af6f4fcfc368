// SPDX-License-Identifier: Apache-2.0
// What GPTQ needs to know about H, once for all weights that read the same input.
//
// With the columns in solving order and H = V V^T, V upper triangular, an error row d costs
// d H d^T = sum_j (sum_{i<=j} d_i V_ij)^2. Column j is the first in which d_j appears, so once
// d_1..d_{j-1} are fixed, its best target is
//
//     w_j + sum_{i<j} (w_i - q_i) V_ij / V_jj.
//
// GPTQ (arXiv 2210.17323) reaches the same targets through U with H^-1 = U^T U, where U = V^-1;
// this is its reading as Babai's nearest plane (arXiv 2507.18553), which needs no inverse. V is the
// ordinary Cholesky factor of H with rows and columns reversed, reversed back.
#pragma once

#include <cstdint>
#include <vector>

#include "core/matrix.hpp"
#include "core/parallel.hpp"
#include "core/zero_matrix.hpp"
#include "quantizers/quantizer.hpp"

namespace hb {

struct GptqFactor {
    std::vector<std::int64_t> order;  // solving order: order[i] is a column of H
    ZeroMatrix<float> push;           // (in, in): V_ij / V_jj for i < j in solving order, else 0
    std::vector<float> pivots;        // V_jj^2, in solving order
    double added = 0;                 // to the diagonal
    double damping = 0;               // relative to the mean of the live diagonal; what was used
    std::vector<double> failed_dampings;
    std::int64_t dead_columns = 0;  // H_jj = 0: nothing is pushed out of or into such a column
};

// Throws Error when H is not square and finite, is all zero, or fails at every damping.
// group: columns that stay together in solving order, where they are ordered by diag H; or 1.
GptqFactor factor_hessian(View<const float> h, const QuantizerOptions& options, Threads& threads,
                          std::int64_t group = 1);

}  // namespace hb
