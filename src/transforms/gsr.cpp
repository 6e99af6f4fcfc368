// SPDX-License-Identifier: Apache-2.0
// Grouped sequency-arranged rotation (arXiv 2505.03810): the columns of H by rising number of sign
// changes, so that neighbours in the result have similar frequency. The column with s changes is
// column reverse_bits(s ^ s/2) of Sylvester's matrix; fast: H, then that permutation.
#include <vector>

#include "transforms/kinds.hpp"

namespace hb {

namespace {

int natural_column(int changes, int block) {
    const int gray = changes ^ (changes >> 1);
    int column = 0;
    for (int low = 1, high = block / 2; high > 0; low *= 2, high /= 2) {
        if (gray & low) column |= high;
    }
    return column;
}

int sign_changes(const Matrix<double>& t, int column) {
    int changes = 0;
    for (int i = 1; i < t.rows; ++i) changes += t(i, column) * t(i - 1, column) < 0;
    return changes;
}

}  // namespace

void gsr_apply(float* x, int block, std::uint64_t) {
    fast_hadamard(x, block);
    const std::vector<float> natural(x, x + block);
    for (int s = 0; s < block; ++s)
        x[s] = natural[static_cast<std::size_t>(natural_column(s, block))];
}

Matrix<double> gsr_matrix(int block, std::uint64_t seed) {
    const Matrix<double> h = hadamard_matrix(block, seed);
    Matrix<double> t(block, block);
    for (int j = 0; j < block; ++j) {
        const int to = sign_changes(h, j);
        for (int i = 0; i < block; ++i) t(i, to) = h(i, j);
    }
    return t;
}

}  // namespace hb
