// SPDX-License-Identifier: Apache-2.0
// Coordinate descent on f = tr(E H E^T), E = W' - W, from codes that a solver has found. With G = E
// H, moving one weight by d changes f by 2 d G_j + d^2 H_jj, so its best value is W'_j - G_j /
// H_jj, rounded to an element. A group's scale moves to one of its neighbours together with the
// group's elements, chosen anew one by one; 16-bit scales move to the best one under the elements
// c, the step less <c, G> / c H c. A move is made where it lowers f by more than rounding can say,
// until a round makes none: f never rises. GPTQ's greedy choice looks only at columns still to
// come; this looks at all of them (as in arXiv 2406.17542).
#pragma once

#include "core/matrix.hpp"
#include "core/parallel.hpp"
#include "schemes/qtensor.hpp"

namespace hb {

struct DescentReport {
    std::int64_t codes = 0, scales = 0;  // moves
};

// H is `hessian` with `added` on its diagonal. Scales of whole rows stay.
DescentReport descend(View<const float> w, View<const float> hessian, double added, int rounds,
                      QTensor& q, Threads& threads);

}  // namespace hb
