// SPDX-License-Identifier: Apache-2.0
#include "quantizers/cholesky.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "quantizers/problems.hpp"

namespace hb {
namespace {

Matrix<double> positive(std::int64_t n) {
    const auto h = test::random_hessian(n, n / 2, 5);
    Matrix<double> a(n, n);
    for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] = h.values[i];
    for (std::int64_t i = 0; i < n; ++i) a(i, i) += 1;
    return a;
}

Matrix<double> factored(const Matrix<double>& a, int threads) {
    auto r = a;  // the factor, upper; the other triangle is not read
    for (std::int64_t i = 0; i < r.rows; ++i) {
        for (std::int64_t c = 0; c < i; ++c) r(i, c) = std::nan("");
    }
    Threads pool(threads);
    const std::vector<double> floors(static_cast<std::size_t>(a.rows), 0.0);
    EXPECT_TRUE(cholesky(r.view(), floors, pool));
    for (std::int64_t i = 0; i < r.rows; ++i) {
        for (std::int64_t c = 0; c < i; ++c) r(i, c) = 0;
    }
    return r;
}

}  // namespace

class CholeskySize : public testing::TestWithParam<int> {};

TEST_P(CholeskySize, TheFactorTimesItsTransposeIsTheMatrix) {
    const auto a = positive(GetParam());
    const auto r = factored(a, 2);
    for (std::int64_t i = 0; i < a.rows; ++i) {
        for (std::int64_t j = 0; j <= i; ++j) {
            double sum = 0;
            for (std::int64_t k = 0; k <= j; ++k) sum += r(k, i) * r(k, j);
            ASSERT_NEAR(sum, a(i, j), 1e-12 * std::sqrt(a(i, i) * a(j, j))) << i << ' ' << j;
        }
    }
}

TEST_P(CholeskySize, BitsDoNotDependOnTheThreads) {
    const auto a = positive(GetParam());
    const auto one = factored(a, 1);
    for (const int threads : {2, 3}) EXPECT_EQ(factored(a, threads).values, one.values);
}

TEST_P(CholeskySize, StopsAtAPivotThatIsTooSmall) {
    const auto n = GetParam();
    Threads pool(2);
    std::vector<double> floors(static_cast<std::size_t>(n), 0.0);
    auto negative = positive(n), high = negative, broken = negative;
    negative(n - 1, n - 1) = -1;
    EXPECT_FALSE(cholesky(negative.view(), floors, pool));
    broken(0, n - 1) = std::nan("");
    EXPECT_FALSE(cholesky(broken.view(), floors, pool));
    floors.back() = 2 * high(n - 1, n - 1);
    EXPECT_FALSE(cholesky(high.view(), floors, pool));
}

INSTANTIATE_TEST_SUITE_P(Sizes, CholeskySize, testing::Values(2, 127, 128, 129, 300));

}  // namespace hb
