// SPDX-License-Identifier: Apache-2.0
// Samples have the moments of their distributions, and turns are found where the line crosses.
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "study/crossover.hpp"

namespace hb {
namespace {

double mean_of(const Sample& sample, double (*f)(double)) {
    double sum = 0;
    for (const float x : sample.tensors.front().values) sum += f(x);
    return sum / static_cast<double>(sample.tensors.front().values.size());
}

TEST(Samples, HaveTheMomentsOfTheirDistributions) {
    Threads threads(2);
    constexpr double squares[] = {1, 2, 5. / 3}, magnitudes[] = {.79788456, 1, .94913675};
    for (int i = 0; i < 3; ++i) {  // E |t5| = 2 sqrt(5) gamma(3) / (4 sqrt(pi) gamma(5/2)) = .949
        const auto sample = draw_sample(all_distributions()[i], 1 << 20, 1, threads);
        EXPECT_NEAR(mean_of(sample, [](double x) { return x * x; }) / squares[i], 1, .012);
        EXPECT_NEAR(mean_of(sample, [](double x) { return std::fabs(x); }) / magnitudes[i], 1,
                    .005);
        EXPECT_NEAR(mean_of(sample, [](double x) { return x; }), 0, .007);
    }
}

TEST(Samples, HaveTheKurtosisAskedFor) {
    Threads threads(2);
    EXPECT_NEAR(generalized_normal_shape(3), 2, 1e-9);
    EXPECT_NEAR(generalized_normal_shape(6), 1, 1e-9);
    EXPECT_THROW(generalized_normal_shape(2.9), Error);
    for (const double wanted : {3.5, 6., 12.}) {  // its standard error is .018 of 12, .008 of 6
        const auto sample = draw_generalized_normal(wanted, 1 << 20, 1, threads);
        EXPECT_NEAR(kurtosis(sample.tensors.front().view()) / wanted, 1, wanted * .006);
    }
}

TEST(Samples, FactorsFillTheOctaveEvenly) {
    int count[8] = {};
    for (int r = 0; r < 8000; ++r) ++count[static_cast<int>(std::log2(spread_factor(r)) * 8)];
    for (const int c : count) EXPECT_NEAR(c, 1000, 5);
}

TEST(Turns, LieWhereTheLineCrosses) {
    std::string verdict;
    EXPECT_TRUE(find_turns({{8, 1.01, .01}, {16, .99, .01}}, verdict).empty());
    EXPECT_EQ(verdict, "even");
    EXPECT_TRUE(find_turns({{8, 1.2, .01}, {16, 1.1, .01}}, verdict).empty());
    EXPECT_EQ(verdict, "hurts");
    EXPECT_TRUE(find_turns({{8, 1.01, .01}, {16, .8, .01}}, verdict).empty());
    EXPECT_EQ(verdict, "even, helps from 16");
    const auto turns =
        find_turns({{8, 2, .01}, {16, 1, .01}, {32, .5, .01}, {64, 2, .01}}, verdict);
    ASSERT_EQ(turns.size(), 2u);
    EXPECT_NEAR(turns[0].at, 16, 1e-9);
    EXPECT_TRUE(turns[0].helps);
    EXPECT_NEAR(turns[1].at, 32 * std::sqrt(2), 1e-9);
    EXPECT_EQ(verdict, "hurts, helps from 16, hurts from 45.3");
}

}  // namespace
}  // namespace hb
