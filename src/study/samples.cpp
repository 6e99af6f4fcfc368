// SPDX-License-Identifier: Apache-2.0
// Row r draws from a stream of its own, seeded by the study's seed and r. Gamma: Marsaglia and
// Tsang 2000, "A simple method for generating gamma variables"; a shape below 1 from shape + 1.
#include "study/samples.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "core/error.hpp"

namespace hb {
namespace {

constexpr std::int64_t kColumns = 128;

double positive_uniform(Random& random) {  // (0, 1]
    return 1 - random.uniform();
}

double draw_normal(Random& random) {
    return std::sqrt(-2 * std::log(positive_uniform(random))) *
           std::cos(2 * std::numbers::pi * random.uniform());
}

double draw_laplace(Random& random) {
    const double size = -std::log(positive_uniform(random));
    return random.bits() >> 63 ? -size : size;
}

double draw_student5(Random& random) {
    const double x = draw_normal(random);
    double chi_square = 0;
    for (int i = 0; i < 5; ++i) {
        const double y = draw_normal(random);
        chi_square += y * y;
    }
    return x / std::sqrt(chi_square / 5);
}

double draw_gamma(Random& random, double shape) {
    if (shape < 1)
        return draw_gamma(random, shape + 1) * std::pow(positive_uniform(random), 1 / shape);
    const double d = shape - 1. / 3, c = 1 / std::sqrt(9 * d);
    while (true) {
        const double x = draw_normal(random), root = 1 + c * x;
        if (root <= 0) continue;
        const double v = root * root * root;
        if (std::log(positive_uniform(random)) < x * x / 2 + d - d * v + d * std::log(v))
            return d * v;
    }
}

constexpr Distribution kDistributions[] = {
    {"normal", draw_normal}, {"laplace", draw_laplace}, {"student-t5", draw_student5}};

template <class Draw>
Sample draw_rows(std::string name, std::int64_t count, std::uint64_t seed, Threads& threads,
                 const Draw& draw) {
    Sample sample{std::move(name), {}, true};
    sample.tensors.emplace_back((count + kColumns - 1) / kColumns, kColumns);
    Matrix<float>& x = sample.tensors.front();
    threads.loop(x.rows, [&](std::int64_t r, int) {
        Random random{mix64(seed) + static_cast<std::uint64_t>(r)};
        for (std::int64_t c = 0; c < x.cols; ++c) x(r, c) = static_cast<float>(draw(random));
    });
    return sample;
}

double kurtosis_of_shape(double b) {
    return std::exp(std::lgamma(5 / b) + std::lgamma(1 / b) - 2 * std::lgamma(3 / b));
}

}  // namespace

std::span<const Distribution> all_distributions() {
    return kDistributions;
}

Sample draw_sample(const Distribution& distribution, std::int64_t count, std::uint64_t seed,
                   Threads& threads) {
    return draw_rows(std::string(distribution.name), count, seed, threads, distribution.draw);
}

double generalized_normal_shape(double kurtosis) {
    if (!(kurtosis >= 3 && kurtosis <= 1000))
        fail("a generalized normal distribution of kurtosis {}; wanted 3 to 1000", kurtosis);
    double low = .2, high = 2;  // kurtosis falls as b rises
    for (int i = 0; i < 100; ++i) {
        const double middle = (low + high) / 2;
        (kurtosis_of_shape(middle) > kurtosis ? low : high) = middle;
    }
    return high;
}

Sample draw_generalized_normal(double kurtosis, std::int64_t count, std::uint64_t seed,
                               Threads& threads) {
    const double b = generalized_normal_shape(kurtosis);
    return draw_rows(fmt::format("kurtosis-{:g}", kurtosis), count, seed, threads,
                     [=](Random& random) {
                         const double size = std::pow(draw_gamma(random, 1 / b), 1 / b);
                         return random.bits() >> 63 ? -size : size;
                     });
}

float spread_factor(std::int64_t row) {  // multiples of the golden ratio, modulo 1
    const double u = std::fmod(static_cast<double>(row) * (std::numbers::phi - 1), 1.);
    return static_cast<float>(std::exp2(u));
}

double kurtosis(View<const float> x) {
    double squares = 0, fourths = 0;
    for (std::int64_t r = 0; r < x.rows; ++r) {
        for (std::int64_t c = 0; c < x.cols; ++c) {
            const double square = static_cast<double>(x(r, c)) * x(r, c);
            squares += square;
            fourths += square * square;
        }
    }
    const double count = static_cast<double>(x.rows) * static_cast<double>(x.cols);
    return squares == 0 ? 0 : fourths * count / (squares * squares);
}

}  // namespace hb
