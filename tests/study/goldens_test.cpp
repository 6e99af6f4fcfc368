// SPDX-License-Identifier: Apache-2.0
// Figures that were simulated by another program, of 60,000 groups of 32 numbers, their
// standard error .5 %.
#include <gtest/gtest.h>

#include <string>

#include "study/formats.hpp"

namespace hb {
namespace {

struct Golden {
    const char *scale, *rule;
    int group;
    double normal, laplace, student;
    const char* element = "e2m1";
};

constexpr Golden kGoldens[] = {
    {"e8m0", "ocp", 32, .01346, .01595, .01592},
    {"e8m0", "fp-quant", 32, .01375, .01749, .01760},
    {"e8m0", "paper-round", 32, .01325, .01657, .01656},
    {"e8m0", "rceil", 32, .01362, .01746, .01750},
    {"e8m0", "ceil7.25", 32, .01255, .01505, .01504},
    {"e8m0", "mse", 32, .01251, .0150, .0150},
    {"e8m0", "quest", 32, .0237, .0529, .0555},
    {"fp32", "absmax", 32, .01020, .01050, .01036},
    {"fp32", "mse", 32, .00783, .00861, .00859},
    {"e4m3", "absmax", 16, .00905, .00857, .00851},
    {"e4m3", "fp-quant-mse", 16, .00789, .00767, .00764},
    {"e4m3", "four-over-six", 16, .00756, .00758, .00750},
    {"e4m3", "sweep", 16, .00659, .00678, .00674},
    {"bf16", "absmax", 32, .00898, .01402, .01437, "int4"},
};

const Golden* golden_of(const ScaleChoice& choice) {
    for (const Golden& golden : kGoldens) {
        if (choice.scale == golden.scale && choice.rule == golden.rule &&
            choice.element == golden.element)
            return &golden;
    }
    return nullptr;
}

class Goldens : public testing::TestWithParam<int> {};

TEST_P(Goldens, HoldWithinOnePercent) {
    Threads threads(2);
    const auto sample = draw_sample(all_distributions()[GetParam()], 60000 * 32, 1, threads);
    const auto rows = study_sample(
        sample,
        [](const ScaleChoice& choice, int group, int rotation) {
            const Golden* golden = golden_of(choice);
            return golden && golden->group == group && rotation == 1;
        },
        threads);
    EXPECT_EQ(rows.size(), std::size(kGoldens));
    for (const FormatRow& row : rows) {
        const Golden& golden = *golden_of(*row.choice);
        const double wanted[] = {golden.normal, golden.laplace, golden.student};
        const double expected = wanted[GetParam()];
        EXPECT_NEAR(row.loss.relative_mse / expected, 1, .01)
            << golden.scale << " " << golden.rule << ": " << row.loss.relative_mse << " +- "
            << row.loss.standard_error << ", wanted " << expected;
    }
}

INSTANTIATE_TEST_SUITE_P(Study, Goldens, testing::Range(0, 3), [](const auto& test) {
    std::string name(all_distributions()[test.param].name);
    std::erase(name, '-');
    return name;
});

}  // namespace
}  // namespace hb
