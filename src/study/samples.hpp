// SPDX-License-Identifier: Apache-2.0
// What the study rounds: independent numbers of a distribution in rows of 128, or the weights of a
// model. Rows of a distribution are multiplied by 2^u, u spread evenly over [0, 1), so that a power
// of two meets every position of a group's largest magnitude within an octave: relative errors then
// belong to the format and not to the unit of the data. A Hadamard rotation works within a row, so
// the factors are put on behind it.
//
// Student's t has 5 degrees of freedom. The generalized normal distribution, density ~ exp(-|x|^b),
// runs from the normal (b = 2, kurtosis 3) through Laplace's (b = 1, kurtosis 6) to any heavier
// tail: |x|^b is gamma distributed with shape 1 / b, and
//     kurtosis = gamma(5/b) gamma(1/b) / gamma(3/b)^2.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/matrix.hpp"
#include "core/parallel.hpp"
#include "core/random.hpp"

namespace hb {

struct Sample {
    std::string name;
    std::vector<Matrix<float>> tensors;  // of any shapes; each is quantized by itself
    bool spread = false;                 // multiply row r by spread_factor(r)
};

struct Distribution {
    std::string_view name;
    double (*draw)(Random& random);
};
std::span<const Distribution> all_distributions();

// `count` numbers, rounded up to whole rows of 128. The same for any number of threads.
Sample draw_sample(const Distribution& distribution, std::int64_t count, std::uint64_t seed,
                   Threads& threads);
Sample draw_generalized_normal(double kurtosis, std::int64_t count, std::uint64_t seed,
                               Threads& threads);
double generalized_normal_shape(double kurtosis);  // b; kurtosis from 3 to 1000

float spread_factor(std::int64_t row);  // 2^u, in [1, 2)
double kurtosis(View<const float> x);   // mean x^4 / (mean x^2)^2; 0 of zeros

}  // namespace hb
