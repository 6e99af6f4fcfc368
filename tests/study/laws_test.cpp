// SPDX-License-Identifier: Apache-2.0
// What holds of any sample: a larger search loses no more, powers of two change nothing, a rotation
// leaves normal numbers normal, and threads change no bit.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "core/error.hpp"
#include "study/format_study.hpp"

namespace hb {
namespace {

bool everything(const ScaleChoice&, int, int) {
    return true;
}
bool unrotated(const ScaleChoice&, int, int rotation) {
    return rotation == 1;
}

double mse_of(const std::vector<FormatRow>& rows, const char* scale, const char* rule, int group) {
    for (const FormatRow& row : rows) {
        if (row.choice == &find_scale_choice(scale, rule) && row.group == group)
            return row.loss.relative_mse;
    }
    ADD_FAILURE() << scale << " " << rule << " " << group;
    return 0;
}

TEST(StudyLaws, ALargerSearchLosesNoMore) {
    constexpr struct {
        const char *scale, *less, *more;
    } pairs[] = {
        {"e8m0", "ocp", "mse"},
        {"e8m0", "ct-round", "mse"},
        {"e8m0", "rceil", "mse"},
        {"e8m0", "ceil7.25", "mse"},
        {"e8m0", "fp-quant", "mse43"},
        {"e4m3", "four-over-six", "sweep8"},
        {"e4m3", "sweep4", "sweep8"},
        {"e4m3", "sweep8", "sweep"},
        {"e4m3", "sweep", "sweep-alternating"},
        {"fp32", "absmax", "mse"},
    };
    Threads threads(2);
    for (const Distribution& distribution : all_distributions()) {
        const auto rows =
            study_sample(draw_sample(distribution, 1 << 14, 5, threads), unrotated, threads);
        for (const auto& pair : pairs) {
            for (const int group : kStudyGroups) {
                const double less = mse_of(rows, pair.scale, pair.less, group);
                // The rules compare sums in fp32, here they are in fp64.
                EXPECT_LE(mse_of(rows, pair.scale, pair.more, group), less * (1 + 1e-6))
                    << distribution.name << " " << pair.more << " " << group;
            }
        }
    }
}

TEST(StudyLaws, PowersOfTwoChangeNothing) {
    Threads threads(2);
    Sample sample = draw_sample(all_distributions()[1], 1 << 13, 5, threads);
    const auto rows = study_sample(sample, unrotated, threads);
    for (float& x : sample.tensors.front().values) x *= 0x1p-20f;
    const auto small = study_sample(sample, unrotated, threads);
    ASSERT_EQ(rows.size(), small.size());
    for (std::size_t i = 0; i < rows.size(); ++i)
        EXPECT_EQ(rows[i].loss.relative_mse, small[i].loss.relative_mse)
            << rows[i].choice->scale << " " << rows[i].choice->rule << " " << rows[i].group;
}

TEST(StudyLaws, ARotationLeavesNormalNumbersNormal) {
    Threads threads(2);
    const auto rows = study_sample(
        draw_sample(all_distributions()[0], 1 << 17, 5, threads),
        [](const ScaleChoice& choice, int, int) { return choice.online(); }, threads);
    for (const Crossover& c : crossovers_by_group(rows)) {
        for (const RatioPoint& p : c.points)
            EXPECT_NEAR(p.ratio, 1, 4.5 * p.standard_error)
                << c.choice->scale << " " << c.choice->rule << " " << c.rotation << " " << p.at;
    }
}

// The excess over 3 of a sum of n independent numbers is the n-th part of theirs.
TEST(StudyLaws, ARotationDividesTheExcessKurtosis) {
    Threads threads(2);
    const auto rows = study_sample(
        draw_sample(all_distributions()[1], 1 << 18, 5, threads),
        [](const ScaleChoice& choice, int group, int) {
            return group == 32 && &choice == &find_scale_choice("e8m0", "ocp");
        },
        threads);
    ASSERT_EQ(rows.size(), std::size(kStudyRotations));
    for (const FormatRow& row : rows)
        EXPECT_NEAR(row.kurtosis, 3 + 3. / row.rotation, row.rotation == 1 ? .2 : .05);
}

TEST(StudyLaws, ThreadsChangeNoBit) {
    FormatStudyOptions options;
    options.samples = 2048;
    Threads one(1), three(3);
    const FormatStudy a = study_formats(options, {}, one), b = study_formats(options, {}, three);
    ASSERT_EQ(a.rows.size(), b.rows.size());
    for (std::size_t i = 0; i < a.rows.size(); ++i) {
        EXPECT_EQ(a.rows[i].loss.relative_mse, b.rows[i].loss.relative_mse);
        EXPECT_EQ(a.rows[i].loss.standard_error, b.rows[i].loss.standard_error);
        EXPECT_EQ(a.rows[i].loss.top_error, b.rows[i].loss.top_error);
        EXPECT_EQ(a.rows[i].kurtosis, b.rows[i].kurtosis);
    }
    ASSERT_EQ(a.by_kurtosis.size(), b.by_kurtosis.size());
    for (std::size_t i = 0; i < a.by_kurtosis.size(); ++i)
        EXPECT_EQ(a.by_kurtosis[i].verdict, b.by_kurtosis[i].verdict);
}

TEST(StudyLaws, EveryCombinationIsThereOnce) {
    Threads threads(2);
    const auto rows =
        study_sample(draw_sample(all_distributions()[0], 1024, 5, threads), everything, threads);
    EXPECT_EQ(rows.size(),
              std::size(kStudyGroups) * std::size(kStudyRotations) * all_scale_choices().size());
    for (const FormatRow& row : rows) {
        EXPECT_GT(row.loss.relative_mse, 0);
        EXPECT_LT(row.loss.relative_mse, .1);
    }
}

TEST(StudyLaws, WhatDoesNotDivideIsLeftOut) {
    Threads threads(1);
    Sample sample{"narrow", {}, false};
    sample.tensors.emplace_back(4, 96);
    for (std::size_t i = 0; i < sample.tensors[0].values.size(); ++i)
        sample.tensors[0].values[i] = static_cast<float>(i % 13) - 6;
    for (const FormatRow& row : study_sample(sample, everything, threads)) {
        EXPECT_LE(row.group, 32);
        EXPECT_LE(row.rotation, 32);
    }
    const auto& choice = find_scale_choice("e8m0", "ocp");
    EXPECT_THROW(round_trip(sample.tensors[0].view(), choice, 64, threads), Error);
    EXPECT_THROW(round_trip(sample.tensors[0].view(), choice, 3, threads), Error);
    EXPECT_THROW(find_scale_choice("e8m0", "absmax"), Error);
}

TEST(StudyLaws, ZerosLoseNothing) {
    Threads threads(1);
    Sample sample{"zeros", {}, true};
    sample.tensors.emplace_back(2, 128);
    for (const FormatRow& row : study_sample(sample, everything, threads)) {
        EXPECT_EQ(row.loss.relative_mse, 0) << row.choice->rule;
        EXPECT_EQ(row.kurtosis, 0);
    }
}

}  // namespace
}  // namespace hb
