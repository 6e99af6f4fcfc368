// SPDX-License-Identifier: Apache-2.0
// The identity as a transform of its own: nothing moves, but a checkpoint records it as an online
// transform, so that it is written in halfbyte's own layout, which holds every scale rule.
#include "transforms/kinds.hpp"

namespace hb {

void identity_apply(float*, int, std::uint64_t) {}

Matrix<double> identity_matrix(int block, std::uint64_t) {
    Matrix<double> m(block, block);
    for (int i = 0; i < block; ++i) m(i, i) = 1;
    return m;
}

}  // namespace hb
