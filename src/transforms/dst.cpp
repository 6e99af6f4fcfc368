// SPDX-License-Identifier: Apache-2.0
// Orthonormal DST-II: T_ij = c_j sqrt(2/g) sin(pi (2i+1)(j+1) / 2g), c_(g-1) = 1/sqrt 2, else 1.
// Any block.
#include <cmath>
#include <numbers>

#include "transforms/trigonometric.hpp"

namespace hb {

void dst_apply(float* x, int block, std::uint64_t) {
    apply_matrix<dst_matrix>(x, block);
}

Matrix<double> dst_matrix(int block, std::uint64_t) {
    Matrix<double> t(block, block);
    for (int i = 0; i < block; ++i) {
        for (int j = 0; j < block; ++j) {
            t(i, j) = std::sqrt((j == block - 1 ? 1. : 2.) / block) *
                      std::sin(std::numbers::pi * (2. * i + 1) * (j + 1) / (2. * block));
        }
    }
    return t;
}

}  // namespace hb
