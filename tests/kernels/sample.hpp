// SPDX-License-Identifier: Apache-2.0
// Random matrices, operands and the entries that this machine runs.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "core/random.hpp"
#include "kernels/kernels.hpp"

namespace hb {

inline Matrix<float> normal_matrix(std::int64_t rows, std::int64_t cols, std::uint64_t seed,
                                   float scale = 1) {
    Random random{seed};
    Matrix<float> m(rows, cols);
    for (float& x : m.values) x = scale * random.normal();
    return m;
}

inline Matrix<float> bf16_matrix(std::int64_t rows, std::int64_t cols, std::uint64_t seed,
                                 float scale = 1) {
    Matrix<float> m = normal_matrix(rows, cols, seed, scale);
    for (float& x : m.values) x = round_to_bf16(x);
    return m;
}

inline std::vector<const Kernels*> wide_kernels() {
    std::vector<const Kernels*> found;
    for (const char* name : {"avx2", "avx512vnni", "amx"}) {
        try {
            found.push_back(&find_kernels(name));
        } catch (const Error&) {  // not on this machine
        }
    }
    return found;
}

inline const Kernels& ref() {
    return find_kernels("ref");
}

inline Operand operand(const Kernels& kernels, const Matrix<float>& x,
                       Precision precision = Precision::bf16) {
    Threads one(1);
    Operand out;
    prepare_operand(kernels, one, x.view(), {}, nullptr, precision, out);
    return out;
}

inline Matrix<float> product(const Kernels& kernels, Threads& threads, const Operand& a,
                             const PackedMatrix& b, float alpha = 1, const float* bias = nullptr) {
    Matrix<float> c(a.rows, b.n);
    gemm(kernels, threads, a, b, c.view(), alpha, bias);
    return c;
}

// First place where two matrices differ in a bit, or "".
inline std::string difference(const Matrix<float>& a, const Matrix<float>& b) {
    if (a.rows != b.rows || a.cols != b.cols) return "shapes";
    for (std::int64_t r = 0; r < a.rows; ++r) {
        for (std::int64_t c = 0; c < a.cols; ++c) {
            if (std::memcmp(&a(r, c), &b(r, c), 4) != 0) {
                return fmt::format("({}, {}): {:a} and {:a}", r, c, a(r, c), b(r, c));
            }
        }
    }
    return "";
}

}  // namespace hb
