// SPDX-License-Identifier: Apache-2.0
// What one linear takes: rotating and quantizing its input, and the product. Copies of its weight,
// together larger than the last cache, are read in turn, as a model's layers are.
#pragma once

#include "engine/random_model.hpp"

namespace hb {

struct LinearInTurn {
    Site site;
    std::vector<Linear> copies;
    Matrix<float> x, y;  // (rows, in), (rows, out)
    Operand input;
    std::size_t next = 0;
};
LinearInTurn in_turn(RandomLinear one, std::int64_t rows);

double linear_flops(const LinearInTurn& linear);

struct LinearTimes {
    double input = 0, product = 0;  // seconds
    double together() const { return input + product; }
};
// The means of eight calls, or of fewer when they take long.
LinearTimes time_linear(const Kernels& kernels, Threads& threads, LinearInTurn& linear);

}  // namespace hb
