// SPDX-License-Identifier: Apache-2.0
// The weights that a linear should have had, given the rows q that it will read instead of x*: with
// H = sum q^T q and D = sum (x* - q)^T q,
//
//     sum |x* W^T - q V^T|^2 + lambda |V - W|^2
//
// is least at V = W + W D (H + lambda I)^-1, and for any Q it is, but for a constant, the same sum
// at V plus tr((Q - V) (H + lambda I) (Q - V)^T). So the error that the inputs brought is made good
// exactly by solving for V as GPTQ solves for W. GPTAQ (arXiv 2504.02692) corrects the same error
// column by column, each from its own input alone.
#pragma once

#include "core/matrix.hpp"
#include "core/parallel.hpp"

namespace hb {

// lambda = damping * mean(diag H), at least; what H + lambda I needs to be factored is added as in
// factor_hessian(). Throws Error when it cannot.
Matrix<float> shifted_target(View<const float> w, View<const float> hessian,
                             View<const float> shift, double damping,
                             Threads& threads);  // (out, in)

}  // namespace hb
