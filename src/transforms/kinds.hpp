// SPDX-License-Identifier: Apache-2.0
// What the table of transforms is made of: for each kind, one block in place, and its matrix.
#pragma once

#include "transforms/transform.hpp"

namespace hb {

// x' = x H, fp32: the butterflies and the factor described in hadamard.cpp.
void fast_hadamard(float* x, int block);
void hadamard_apply(float* x, int block, std::uint64_t seed);
Matrix<double> hadamard_matrix(int block, std::uint64_t seed);

void random_hadamard_apply(float* x, int block, std::uint64_t seed);
Matrix<double> random_hadamard_matrix(int block, std::uint64_t seed);
float random_sign(std::uint64_t seed, int i);  // +1 or -1

void identity_apply(float* x, int block, std::uint64_t seed);
Matrix<double> identity_matrix(int block, std::uint64_t seed);

void gsr_apply(float* x, int block, std::uint64_t seed);
Matrix<double> gsr_matrix(int block, std::uint64_t seed);

void dct_apply(float* x, int block, std::uint64_t seed);
Matrix<double> dct_matrix(int block, std::uint64_t seed);

void dst_apply(float* x, int block, std::uint64_t seed);
Matrix<double> dst_matrix(int block, std::uint64_t seed);

}  // namespace hb
