// SPDX-License-Identifier: Apache-2.0
// The one matrix product of the solvers, in fp32 and fp64: c += alpha a^T b. Every element of c is
// one chain of fused multiply-adds that starts from c and takes k in order, so its bits depend
// neither on how a product is cut into smaller ones nor on the machine (a BLAS promises neither).
#pragma once

#include "core/matrix.hpp"

namespace hb {

// alpha is a power of two or its negative.
void add_product(float alpha, View<const float> a, View<const float> b, View<float> c);
void add_product(double alpha, View<const double> a, View<const double> b, View<double> c);
// a (k, m), b (k, n), c (m, n)

}  // namespace hb
