// SPDX-License-Identifier: Apache-2.0
// Orthonormal DCT-II: T_ij = c_j sqrt(2/g) cos(pi (2i+1) j / 2g), c_0 = 1/sqrt 2, else 1. Any block
// size.
#include <cmath>
#include <numbers>

#include "transforms/trigonometric.hpp"

namespace hb {

void dct_apply(float* x, int block, std::uint64_t) {
    apply_matrix<dct_matrix>(x, block);
}

Matrix<double> dct_matrix(int block, std::uint64_t) {
    Matrix<double> t(block, block);
    for (int i = 0; i < block; ++i) {
        for (int j = 0; j < block; ++j) {
            t(i, j) = std::sqrt((j == 0 ? 1. : 2.) / block) *
                      std::cos(std::numbers::pi * (2. * i + 1) * j / (2. * block));
        }
    }
    return t;
}

}  // namespace hb
