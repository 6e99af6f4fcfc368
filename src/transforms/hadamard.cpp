// SPDX-License-Identifier: Apache-2.0
// Sylvester's Hadamard matrix in natural order, H_ij = (-1)^popcount(i & j) / sqrt(block):
// symmetric, its own inverse. Fast: for h = 1, 2, 4, ... block/2 in this order, every pair (x[i],
// x[i+h]) with bit h of i clear becomes (x[i] + x[i+h], x[i] - x[i+h]), each sum rounded to fp32;
// at the end every element is multiplied once by 1 / sqrt(block) rounded to fp32. A wide version
// that keeps to this order of operations gives the same bits.
#include <bit>
#include <cmath>

#include "transforms/kinds.hpp"

namespace hb {

void fast_hadamard(float* x, int block) {
    for (int h = 1; h < block; h *= 2) {
        for (int first = 0; first < block; first += 2 * h) {
            for (int i = first; i < first + h; ++i) {
                const float a = x[i], b = x[i + h];
                x[i] = a + b;
                x[i + h] = a - b;
            }
        }
    }
    const auto factor = static_cast<float>(1 / std::sqrt(static_cast<double>(block)));
    for (int i = 0; i < block; ++i) x[i] *= factor;
}

void hadamard_apply(float* x, int block, std::uint64_t) {
    fast_hadamard(x, block);
}

Matrix<double> hadamard_matrix(int block, std::uint64_t) {
    const double factor = 1 / std::sqrt(static_cast<double>(block));
    Matrix<double> t(block, block);
    for (int i = 0; i < block; ++i) {
        for (int j = 0; j < block; ++j) {
            t(i, j) = std::popcount(static_cast<unsigned>(i & j)) % 2 ? -factor : factor;
        }
    }
    return t;
}

}  // namespace hb
