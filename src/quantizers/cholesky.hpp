// SPDX-License-Identifier: Apache-2.0
// A = L L^T for a large symmetric matrix in fp64: tiles of a fixed size, right-looking, the strips
// below the diagonal tile shared among threads. The cut into tiles depends on the size alone, and
// every product runs on one thread, so the bits do not depend on how many threads there are.
#pragma once

#include <span>

#include "core/matrix.hpp"
#include "core/parallel.hpp"

namespace hb {

// In place in the lower triangle; the upper one is left with rubbish. False as soon as the square
// of a pivot is not above its floor (so also when something is not a number); a is then spoilt.
bool cholesky(View<double> a, std::span<const double> floors, Threads& threads);  // (n, n)

}  // namespace hb
