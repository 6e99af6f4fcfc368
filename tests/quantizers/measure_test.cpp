// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "quantizers/problems.hpp"

namespace hb {
namespace {

// tr(X H X^T), as it is written
double energy(const Matrix<float>& x, const Matrix<float>& h) {
    double sum = 0;
    for (std::int64_t r = 0; r < x.rows; ++r) {
        for (std::int64_t i = 0; i < x.cols; ++i) {
            double product = 0;
            for (std::int64_t j = 0; j < x.cols; ++j)
                product += static_cast<double>(h(i, j)) * x(r, j);
            sum += product * x(r, i);
        }
    }
    return sum;
}

double energy(const Matrix<float>& x) {
    return energy(x, test::identity(x.cols));
}

}  // namespace

TEST(Measure, IsWhatItsFormulaSays) {
    for (const std::int64_t in : {128, 640}) {
        const std::vector weights{test::random_matrix(140, in, 3)};
        const auto h = test::random_hessian(in, 60, 4);
        const auto problem = test::make_problem(weights, h, find_scheme("nvfp4"));
        const auto result = test::run("rtn", problem, 2)[0];
        auto d = dequantize(result.weight);
        for (std::size_t i = 0; i < d.values.size(); ++i) d.values[i] -= weights[0].values[i];
        const double mse = energy(d) / energy(weights[0]);
        const double error = energy(d, h) / energy(weights[0], h);
        EXPECT_NEAR(result.report.weight_mse, mse, 1e-9 * mse);
        EXPECT_NEAR(result.report.output_error, error, 1e-4 * error);
    }
}

TEST(Measure, WithoutAHessianThereIsNoOutputError) {
    const std::vector weights{test::random_matrix(9, 64, 5)};
    const auto problem = test::make_problem(weights, {}, find_scheme("mxfp4"));
    const auto report = test::run("rtn", problem)[0].report;
    EXPECT_GT(report.weight_mse, 0.001);
    EXPECT_LT(report.weight_mse, 0.03);
    EXPECT_EQ(report.output_error, 0);
}

TEST(Measure, NothingIsLostWhenEveryWeightIsAnElement) {
    std::vector<Matrix<float>> weights{Matrix<float>(3, 32)};
    auto& w = weights[0].values;
    for (std::size_t i = 0; i < w.size(); ++i) {
        w[i] = decode_element(Family::mx, static_cast<std::uint8_t>(i % 16));
    }
    const auto h = test::identity(32);
    const auto problem = test::make_problem(weights, h, find_scheme("mxfp4"));
    for (const auto& quantizer : all_quantizers()) {
        const auto report = test::run(quantizer.name, problem)[0].report;
        EXPECT_EQ(report.weight_mse, 0) << quantizer.name;
        EXPECT_EQ(report.output_error, 0) << quantizer.name;
    }
}

TEST(Measure, RefusesWhatDoesNotFit) {
    const std::vector weights{test::random_matrix(4, 64, 6)};
    const auto problem = test::make_problem(weights, {}, find_scheme("mxfp4"));
    const auto q = test::run("rtn", problem)[0].weight;
    const auto h = test::identity(32);
    Threads pool(1);
    LinearReport report;
    EXPECT_THROW(measure(weights[0].view(), q, h.view(), pool, report), std::exception);
    EXPECT_THROW(measure(weights[0].view().middle_rows(0, 3), q, {}, pool, report), std::exception);
}

}  // namespace hb
