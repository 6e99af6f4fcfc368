// SPDX-License-Identifier: Apache-2.0
// T = D H with random signs D = diag(+-1) drawn from the seed: the element i of a block is first
// multiplied by sign i, the same in every block, then goes through H (QuIP#, arXiv 2402.04396,
// section 3).
#include "core/random.hpp"
#include "transforms/kinds.hpp"

namespace hb {

float random_sign(std::uint64_t seed, int i) {
    Random random{seed, static_cast<std::uint64_t>(i)};
    return random.bits() >> 63 ? -1.f : 1.f;
}

void random_hadamard_apply(float* x, int block, std::uint64_t seed) {
    for (int i = 0; i < block; ++i) x[i] *= random_sign(seed, i);
    fast_hadamard(x, block);
}

Matrix<double> random_hadamard_matrix(int block, std::uint64_t seed) {
    Matrix<double> t = hadamard_matrix(block, seed);
    for (int i = 0; i < block; ++i) {
        for (int j = 0; j < block; ++j) t(i, j) *= random_sign(seed, i);
    }
    return t;
}

}  // namespace hb
