// SPDX-License-Identifier: Apache-2.0
// x' = x T for a kind without a fast form: T rounded to fp32, each result an fma chain from +0 over
// the input index in order. The table is kept per kind, thread and block size.
#pragma once

#include <cmath>
#include <vector>

#include "transforms/kinds.hpp"

namespace hb {

template <Matrix<double> (*kMatrix)(int, std::uint64_t)>
void apply_matrix(float* x, int block) {
    thread_local Matrix<float> table;
    if (table.rows != block) {
        const Matrix<double> t = kMatrix(block, 0);
        table = Matrix<float>(block, block);
        for (std::size_t i = 0; i < t.values.size(); ++i)
            table.values[i] = static_cast<float>(t.values[i]);
    }
    std::vector<float> out(static_cast<std::size_t>(block), 0.f);
    for (int i = 0; i < block; ++i) {
        const float* row = table.row(i);
        for (int j = 0; j < block; ++j) {
            float& y = out[static_cast<std::size_t>(j)];
            y = std::fma(x[i], row[j], y);
        }
    }
    for (int j = 0; j < block; ++j) x[j] = out[static_cast<std::size_t>(j)];
}

}  // namespace hb
