// SPDX-License-Identifier: Apache-2.0
// Hessians that cannot be factored as they come, and problems that do not fit together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/error.hpp"
#include "quantizers/problems.hpp"

namespace hb {
namespace {

using test::make_problem;
using test::message_of;
using test::random_matrix;
using test::run;
using testing::HasSubstr;

constexpr std::int64_t kIn = 128;

struct Site {
    std::vector<Matrix<float>> weights{random_matrix(8, kIn, 1)};
    Matrix<float> h = test::random_hessian(kIn, 200, 2);
    SiteProblem problem(std::string_view scheme = "mxfp4") const {
        return make_problem(weights, h, find_scheme(scheme));
    }
};

}  // namespace

TEST(HardCases, ASingularHessianNeedsOnlyTheDampingAskedFor) {
    Site site;
    site.h = test::random_hessian(kIn, 3, 7);
    const auto problem = site.problem();
    const auto gptq = run("gptq", problem)[0].report, rtn = run("rtn", problem)[0].report;
    EXPECT_THAT(gptq.failed_dampings, testing::IsEmpty());
    EXPECT_EQ(gptq.damping, 1e-2);
    EXPECT_LT(gptq.output_error, 0.5 * rtn.output_error);
}

TEST(HardCases, WithoutDampingASingularHessianClimbsTheLadderAndSaysSo) {
    Site site;
    site.h = test::random_hessian(kIn, 3, 7);
    auto problem = site.problem();
    problem.options.damping = 0;
    const auto report = run("gptq", problem)[0].report;
    ASSERT_THAT(report.failed_dampings, testing::SizeIs(1));
    EXPECT_EQ(report.failed_dampings[0], 0);
    EXPECT_EQ(report.damping, 1e-4);
}

TEST(HardCases, AnIndefiniteHessianClimbsUntilItIsDefinite) {
    Site site;
    site.h = test::identity(kIn);
    site.h(0, 1) = site.h(1, 0) = 1.05f;
    const auto report = run("gptq", site.problem())[0].report;
    EXPECT_THAT(report.failed_dampings,
                testing::ElementsAre(testing::DoubleEq(0.01), testing::DoubleEq(0.03)));
    EXPECT_DOUBLE_EQ(report.damping, 0.09);
    EXPECT_GT(report.flops, 0);
}

TEST(HardCases, GivesUpWithAnErrorNotWithRoundToNearest) {
    Site site;
    site.h = test::identity(kIn);
    site.h(0, 1) = site.h(1, 0) = 1e6f;
    EXPECT_THAT(message_of("gptq", site.problem()),
                HasSubstr("cannot be factored at dampings 0.01"));
}

TEST(HardCases, AnAllZeroHessianIsAnError) {
    Site site;
    site.h = Matrix<float>(kIn, kIn);
    EXPECT_THAT(message_of("gptq", site.problem()), HasSubstr("no calibration row"));
    EXPECT_EQ(run("rtn", site.problem())[0].report.output_error, 0);
}

TEST(HardCases, AHessianThatIsNotFiniteOrNegativeIsAnError) {
    for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
        Site site;
        site.h(5, 9) = bad;
        EXPECT_THAT(message_of("gptq", site.problem()), HasSubstr("in row 5, column 9"));
    }
    Site site;
    site.h(4, 4) = -1;
    EXPECT_THAT(message_of("gptq", site.problem()), HasSubstr("in row 4"));
}

TEST(HardCases, DimensionsThatDoNotFitAreNamed) {
    Site site;
    auto problem = site.problem();
    const auto narrow = random_matrix(8, 48, 3);
    problem.weights[0] = narrow.view();
    for (const auto& quantizer : all_quantizers()) {
        EXPECT_THAT(message_of(quantizer.name, problem), HasSubstr("48 columns")) << quantizer.name;
    }
    problem = site.problem();
    problem.scales[0].bits = Matrix<std::uint16_t>(8, 3);
    for (const auto& quantizer : all_quantizers()) {
        EXPECT_THAT(message_of(quantizer.name, problem), HasSubstr("8 x 3")) << quantizer.name;
    }
    problem = site.problem();
    problem.hessian = {};
    EXPECT_THAT(message_of("gptq", problem), HasSubstr("0 x 0"));
    problem = site.problem();
    problem.scales.clear();
    EXPECT_THAT(message_of("gptq", problem), HasSubstr("0 sets of scales"));
    problem.scheme = nullptr;
    EXPECT_THAT(message_of("rtn", problem), HasSubstr("no scheme"));
}

TEST(HardCases, OptionsOutOfRangeAreErrors) {
    Site site;
    auto problem = site.problem();
    for (const double bad : {-0.01, std::numeric_limits<double>::infinity(), std::nan("")}) {
        problem.options.damping = bad;
        EXPECT_THAT(message_of("gptq", problem), HasSubstr("damping"));
    }
    problem = site.problem();
    problem.options.block = 0;
    EXPECT_THAT(message_of("gptq", problem), HasSubstr("block is 0"));
}

TEST(HardCases, AnEmptySiteGivesNothing) {
    SiteProblem problem;
    problem.scheme = &find_scheme("mxfp4");
    for (const auto& quantizer : all_quantizers())
        EXPECT_TRUE(run(quantizer.name, problem).empty());
}

TEST(Quantizers, AnUnknownNameListsTheKnown) {
    for (const auto& quantizer : all_quantizers()) {
        EXPECT_EQ(&find_quantizer(quantizer.name), &quantizer);
    }
    try {
        find_quantizer("awq");
        FAIL();
    } catch (const Error& e) {
        EXPECT_THAT(e.what(), HasSubstr("'awq'; known: rtn, gptq"));
    }
}

}  // namespace hb
