// SPDX-License-Identifier: Apache-2.0
// What must hold for every scheme, in natural and in activation order.
#include <gtest/gtest.h>

#include <tuple>

#include "quantizers/gptq_factor.hpp"
#include "quantizers/problems.hpp"

namespace hb {
namespace {

using test::make_problem;
using test::random_hessian;
using test::random_matrix;
using test::run;

class Gptq : public testing::TestWithParam<std::tuple<const Scheme*, bool>> {
protected:
    const Scheme& scheme() const { return *std::get<0>(GetParam()); }
    SiteProblem problem(const std::vector<Matrix<float>>& weights, const Matrix<float>& h) const {
        auto made = make_problem(weights, h, scheme());
        made.options.activation_order = std::get<1>(GetParam());
        return made;
    }
};

std::string test_name(const testing::TestParamInfo<Gptq::ParamType>& info) {
    return std::string(std::get<0>(info.param)->name) + (std::get<1>(info.param) ? "_ordered" : "");
}

std::vector<const Scheme*> schemes() {
    std::vector<const Scheme*> all;
    for (const auto& scheme : all_schemes()) all.push_back(&scheme);
    return all;
}

INSTANTIATE_TEST_SUITE_P(Schemes, Gptq,
                         testing::Combine(testing::ValuesIn(schemes()), testing::Bool()),
                         test_name);

constexpr std::int64_t kIn = 384;

}  // namespace

TEST_P(Gptq, WithoutCorrelationIsRoundToNearest) {
    const std::vector weights{random_matrix(70, kIn, 1), random_matrix(5, kIn, 2)};
    auto h = test::identity(kIn);
    Random random{3};
    for (std::int64_t i = 0; i < kIn; ++i) h(i, i) = static_cast<float>(0.1 + random.uniform());
    const auto site = problem(weights, h);
    const auto gptq = run("gptq", site), rtn = run("rtn", site);
    for (std::size_t i = 0; i < weights.size(); ++i) {
        EXPECT_EQ(gptq[i].weight.codes.values, rtn[i].weight.codes.values);
        EXPECT_EQ(gptq[i].report.weight_mse, rtn[i].report.weight_mse);
    }
}

TEST_P(Gptq, LowersTheOutputErrorOfRoundToNearest) {
    for (std::uint64_t seed = 10; seed < 13; ++seed) {
        const std::vector weights{random_matrix(40, kIn, seed)};
        const auto h = random_hessian(kIn, 500, seed + 100);
        const auto site = problem(weights, h);
        const auto gptq = run("gptq", site)[0].report, rtn = run("rtn", site)[0].report;
        EXPECT_LT(gptq.output_error, 0.8 * rtn.output_error);
        EXPECT_GT(gptq.output_error, 0);
        EXPECT_GT(gptq.weight_mse, rtn.weight_mse);
    }
}

TEST_P(Gptq, BitsDependNeitherOnThreadsNorOnTheRun) {
    const std::vector weights{random_matrix(130, kIn, 20), random_matrix(64, kIn, 21)};
    const auto h = random_hessian(kIn, 300, 22);
    const auto site = problem(weights, h);
    const auto first = run("gptq", site, 1);
    for (const int threads : {1, 2, 3}) {
        const auto again = run("gptq", site, threads);
        for (std::size_t i = 0; i < weights.size(); ++i) {
            EXPECT_EQ(again[i].weight.codes.values, first[i].weight.codes.values);
            EXPECT_EQ(again[i].report.output_error, first[i].report.output_error);
            EXPECT_EQ(again[i].report.weight_mse, first[i].report.weight_mse);
        }
    }
}

TEST_P(Gptq, ARowDoesNotDependOnItsCompany) {
    const std::vector weights{random_matrix(90, kIn, 30)};
    const auto h = random_hessian(kIn, 300, 31);
    auto site = problem(weights, h);
    const auto whole = run("gptq", site)[0].weight;
    constexpr std::int64_t kFirst = 37, kCount = 50;
    site.weights[0] = site.weights[0].middle_rows(kFirst, kCount);
    site.scales[0] = middle_rows(site.scales[0], kFirst, kCount);
    const auto part = run("gptq", site)[0].weight;
    for (std::int64_t r = 0; r < kCount; ++r) {
        for (std::int64_t c = 0; c < kIn; ++c)
            ASSERT_EQ(part.code(r, c), whole.code(kFirst + r, c));
    }
}

TEST_P(Gptq, LeavesTheScalesAlone) {
    const std::vector weights{random_matrix(10, kIn, 40)};
    const auto h = random_hessian(kIn, 300, 41);
    const auto site = problem(weights, h);
    const auto q = run("gptq", site)[0].weight;
    EXPECT_EQ(q.scheme, &scheme());
    EXPECT_EQ(q.rows, 10);
    EXPECT_EQ(q.cols, kIn);
    EXPECT_EQ(q.scales.divisor, site.scales[0].divisor);
    EXPECT_EQ(q.scales.bits.values, site.scales[0].bits.values);
    EXPECT_EQ(q.scales.zeros.values, site.scales[0].zeros.values);
}

TEST_P(Gptq, ADeadColumnIsRoundedToNearestAndTouchesNothing) {
    auto h = random_hessian(kIn, 300, 50);
    for (const std::int64_t dead : {7, 200}) {
        for (std::int64_t i = 0; i < kIn; ++i) h(dead, i) = h(i, dead) = 0;
    }
    std::vector weights{random_matrix(20, kIn, 51)};
    const auto site = problem(weights, h);
    const auto before = run("gptq", site)[0], rtn = run("rtn", site)[0];
    EXPECT_EQ(before.report.dead_columns, 2);
    for (std::int64_t r = 0; r < 20; ++r) weights[0](r, 200) *= -0.9f;
    const auto after = run("gptq", site)[0];
    for (std::int64_t r = 0; r < 20; ++r) {
        for (std::int64_t c = 0; c < kIn; ++c) {
            if (c == 7 || c == 200) {
                ASSERT_EQ(before.weight.code(r, c), rtn.weight.code(r, c));
            }
            if (c != 200) {
                ASSERT_EQ(before.weight.code(r, c), after.weight.code(r, c));
            }
        }
    }
}

TEST_P(Gptq, BitsDoNotDependOnTheBlock) {
    const std::vector weights{random_matrix(30, kIn, 60)};
    const auto h = random_hessian(kIn, 300, 61);
    auto site = problem(weights, h);
    const auto wanted = run("gptq", site)[0].weight.codes.values;
    for (const int block : {1, 37, 128, 4096}) {
        site.options.block = block;
        EXPECT_EQ(run("gptq", site)[0].weight.codes.values, wanted) << block;
    }
}

TEST_P(Gptq, WeightsOfZeroArePossible) {
    std::vector weights{random_matrix(20, kIn, 70), Matrix<float>(4, kIn)};
    for (std::int64_t r = 0; r < 20; ++r) weights[0](r, 9) = 0;
    const auto h = random_hessian(kIn, 300, 71);
    const auto results = run("gptq", problem(weights, h));
    EXPECT_LT(results[0].report.output_error, 0.02);
    for (const float x : dequantize(results[1].weight).values) ASSERT_EQ(x, 0);
    EXPECT_EQ(results[1].report.output_error, 0);
}

TEST(GptqFactor, OrderFallsAlongTheDiagonalAndTiesKeepTheirPlace) {
    auto h = test::identity(6);
    h(4, 4) = 3;
    h(1, 1) = 0;
    h(5, 5) = 3;
    Threads pool(1);
    QuantizerOptions options;
    EXPECT_EQ(factor_hessian(h.view(), options, pool).order,
              (std::vector<std::int64_t>{4, 5, 0, 2, 3, 1}));
    options.activation_order = false;
    EXPECT_EQ(factor_hessian(h.view(), options, pool).order,
              (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}));
}

}  // namespace hb
