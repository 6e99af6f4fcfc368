// SPDX-License-Identifier: Apache-2.0
// A = R^T R for a large symmetric matrix in fp64, R upper triangular: right-looking, a band of rows
// at a time, the strips of columns right of it shared among threads. Every element is one chain of
// fused multiply-adds over the rows above it, in order, whatever the cut.
#pragma once

#include <span>

#include "core/matrix.hpp"
#include "core/parallel.hpp"

namespace hb {

// In place in the upper triangle; rubbish is left below it. False as soon as the square of a pivot
// is not above its floor (so also when something is not a number); a is then spoilt.
bool cholesky(View<double> a, std::span<const double> floors, Threads& threads);  // (n, n)

}  // namespace hb
