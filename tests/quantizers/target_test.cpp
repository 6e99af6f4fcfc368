// SPDX-License-Identifier: Apache-2.0
// The shifted target against its definition: a least squares problem over rows of activations, in
// fp64.
#include "quantizers/target.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "quantizers/problems.hpp"

namespace hb {
namespace {

using test::random_matrix;

constexpr std::int64_t kIn = 130, kOut = 70, kRows = 600;

// Rows that a model gives before quantization, and what is left of them after.
struct Rows {
    Matrix<float> before = random_matrix(kRows, kIn, 1), after = random_matrix(kRows, kIn, 2);
    Matrix<float> hessian{kIn, kIn}, shift{kIn, kIn};

    explicit Rows(float noise) {
        for (std::size_t i = 0; i < after.values.size(); ++i)
            after.values[i] = .9f * before.values[i] + noise * after.values[i];
        for (std::int64_t i = 0; i < kIn; ++i) {
            for (std::int64_t j = 0; j < kIn; ++j) {
                double h = 0, d = 0;
                for (std::int64_t r = 0; r < kRows; ++r) {
                    const double q = after(r, i), p = after(r, j), x = before(r, i);
                    h += q * p;
                    d += (x - q) * p;
                }
                hessian(i, j) = static_cast<float>(h);
                shift(i, j) = static_cast<float>(d);
            }
        }
    }
};

double lambda_of(const Matrix<float>& h, double damping) {
    double trace = 0;
    for (std::int64_t i = 0; i < h.rows; ++i) trace += static_cast<double>(h(i, i));
    return damping * trace / static_cast<double>(h.rows);
}

// sum |x w^T - q v^T|^2 + lambda |v - w|^2
double cost(const Rows& rows, const float* w, const std::vector<double>& v, double lambda) {
    double sum = 0;
    for (std::int64_t r = 0; r < kRows; ++r) {
        double d = 0;
        for (std::int64_t i = 0; i < kIn; ++i)
            d += static_cast<double>(rows.before(r, i)) * static_cast<double>(w[i]) -
                 static_cast<double>(rows.after(r, i)) * v[static_cast<std::size_t>(i)];
        sum += d * d;
    }
    for (std::int64_t i = 0; i < kIn; ++i) {
        const double d = v[static_cast<std::size_t>(i)] - static_cast<double>(w[i]);
        sum += lambda * d * d;
    }
    return sum;
}

}  // namespace

TEST(ShiftedTarget, IsTheLeastOfTheCostAndAnswersForAnyWeights) {
    const Rows rows(.3f);
    const auto w = random_matrix(kOut, kIn, 3);
    Threads threads(2);
    for (const double damping : {0., .01, 1.}) {
        const auto v =
            shifted_target(w.view(), rows.hessian.view(), rows.shift.view(), damping, threads);
        const double lambda = lambda_of(rows.hessian, damping);
        hb::Random random{4};
        for (const std::int64_t r : {std::int64_t{0}, kOut - 1}) {
            std::vector<double> best(v.row(r), v.row(r) + kIn), other = best;
            std::vector<double> move(kIn);
            for (std::size_t i = 0; i < kIn; ++i) {
                move[i] = .1 * static_cast<double>(random.normal());
                other[i] += move[i];
            }
            double rise = 0;  // move (H + lambda I) move^T
            for (std::int64_t i = 0; i < kIn; ++i) {
                rise +=
                    lambda * move[static_cast<std::size_t>(i)] * move[static_cast<std::size_t>(i)];
                for (std::int64_t j = 0; j < kIn; ++j)
                    rise += move[static_cast<std::size_t>(i)] *
                            static_cast<double>(rows.hessian(i, j)) *
                            move[static_cast<std::size_t>(j)];
            }
            const double least = cost(rows, w.row(r), best, lambda);
            // The sums are fp32, 2^-24 of their terms each: about 1e-6 of H's diagonal a product.
            EXPECT_NEAR(cost(rows, w.row(r), other, lambda) - least, rise, 1e-4 * rise);
        }
    }
}

TEST(ShiftedTarget, WithoutAShiftIsTheWeightItself) {
    const Rows rows(.3f);
    const auto w = random_matrix(kOut, kIn, 3);
    const Matrix<float> none(kIn, kIn);
    Threads threads(1);
    EXPECT_EQ(shifted_target(w.view(), rows.hessian.view(), none.view(), .01, threads).values,
              w.values);
}

TEST(ShiftedTarget, BitsDependNeitherOnThreadsNorOnTheOtherRows) {
    const Rows rows(.3f);
    const auto w = random_matrix(kOut, kIn, 3);
    Threads one(1), three(3);
    const auto whole = shifted_target(w.view(), rows.hessian.view(), rows.shift.view(), .01, three);
    EXPECT_EQ(whole.values,
              shifted_target(w.view(), rows.hessian.view(), rows.shift.view(), .01, one).values);
    const auto last = shifted_target(w.view().middle_rows(kOut - 1, 1), rows.hessian.view(),
                                     rows.shift.view(), .01, one);
    for (std::int64_t c = 0; c < kIn; ++c) EXPECT_EQ(last(0, c), whole(kOut - 1, c));
}

TEST(ShiftedTarget, DeadColumnsStayAndMismatchedMatricesAreRefused) {
    Rows rows(.3f);
    for (std::int64_t i = 0; i < kIn; ++i)
        rows.hessian(5, i) = rows.hessian(i, 5) = rows.shift(i, 5) = rows.shift(5, i) = 0;
    const auto w = random_matrix(kOut, kIn, 3);
    Threads threads(1);
    const auto v = shifted_target(w.view(), rows.hessian.view(), rows.shift.view(), .01, threads);
    for (std::int64_t r = 0; r < kOut; ++r) EXPECT_EQ(v(r, 5), w(r, 5));
    const Matrix<float> small(3, 3);
    EXPECT_THROW(shifted_target(w.view(), rows.hessian.view(), small.view(), .01, threads), Error);
}

}  // namespace hb
