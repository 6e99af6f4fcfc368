// SPDX-License-Identifier: Apache-2.0
// Laws of a study: what is finished is not computed again, what was interrupted goes on, what is
// broken is computed again, and none of this changes a figure.
#include "study/model_study.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/tiny_model.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "study/study_data.hpp"

namespace hb {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;

struct Stop {};

Json without_seconds(Json results) {
    results["reference"].erase("seconds");
    for (Json& cell : results["cells"]) cell.erase("seconds");
    return results;
}

class ModelStudy : public testing::Test {
protected:
    TemporaryFolder folder;
    std::vector<std::string> notices, stages;

    void SetUp() override {
        test::write_tiny_model(folder / "model");
        test::put(folder / "text.txt", test::tiny_text(2000));
        test::put(folder / "calibration.txt", test::tiny_text(4000));
    }
    ModelStudyOptions options(const std::string& out) const {
        ModelStudyOptions o;
        o.model = (folder / "model").string();
        o.out = folder / out;
        o.schemes = {"mxfp4", "nvfp4a16"};
        o.recipes = {"rtn", "mr-gptq"};
        o.calibration = folder / "calibration.txt";
        o.data = folder / "text.txt";
        o.sequences = 4;
        o.sequence_length = 64;
        o.windows = 3;
        o.window = 64;
        return o;
    }
    Json study(const ModelStudyOptions& o, int stop_after = -1) {
        notices.clear();
        stages.clear();
        return study_model(o,
                           {.progress =
                                [&](const StudyProgress& p) {
                                    stages.push_back(p.stage);
                                    if (stop_after-- == 0) throw Stop{};
                                },
                            .notice = [&](const std::string& line) { notices.push_back(line); }});
    }
    std::vector<fs::path> cells(const std::string& out) const {
        std::vector<fs::path> all;
        for (const auto& entry : fs::directory_iterator(folder / out / "cells"))
            all.push_back(entry.path());
        std::sort(all.begin(), all.end());
        return all;
    }
};

TEST_F(ModelStudy, WhatIsFinishedIsNotComputedAgain) {
    const Json first = study(options("out"));
    ASSERT_EQ(first["cells"].size(), 4u);
    EXPECT_EQ(cells("out").size(), 5u);  // and the reference
    for (const Json& cell : first["cells"]) {
        EXPECT_GT(cell["kl"].get<double>(), 0);
        EXPECT_GT(cell["perplexity"].get<double>(), 1);
        EXPECT_EQ(cell["layers"].size(), 14u);
    }
    for (const fs::path& cell : cells("out")) EXPECT_FALSE(fs::exists(cell / "model"));
    const Json second = study(options("out"));
    EXPECT_TRUE(stages.empty());
    EXPECT_EQ(first, second);
}

TEST_F(ModelStudy, AnInterruptedStudyGoesOnToTheSameFigures) {
    const Json whole = without_seconds(study(options("whole")));
    const auto count = static_cast<int>(stages.size());
    ASSERT_GT(count, 20);
    for (const int stop : {count / 4, count / 2, count - 2}) {
        const std::string out = "stopped" + std::to_string(stop);
        EXPECT_THROW(study(options(out), stop), Stop);
        EXPECT_EQ(without_seconds(study(options(out))), whole) << stop;
        EXPECT_LT(stages.size(), static_cast<std::size_t>(count)) << stop;
    }
}

TEST_F(ModelStudy, ThreadsChangeNoFigure) {
    ModelStudyOptions two = options("two");
    two.threads = 2;
    EXPECT_EQ(without_seconds(study(options("one"))), without_seconds(study(two)));
}

TEST_F(ModelStudy, ABrokenCellIsComputedAgainAndNoOther) {
    const Json first = study(options("out"));
    for (const char* damage : {"", "{\"key\":", "[]", "{\"key\": {}, \"kl\": 0}"}) {
        const fs::path file = cells("out")[1] / "result.json";
        test::put(file, damage);
        const Json again = study(options("out"));
        EXPECT_EQ(without_seconds(again), without_seconds(first)) << damage;
        ASSERT_EQ(notices.size(), 1u) << damage;
        EXPECT_THAT(notices[0], testing::HasSubstr(file.string()));
    }
}

TEST_F(ModelStudy, AnotherOptionIsAnotherCell) {
    const Json first = study(options("out"));
    ModelStudyOptions other = options("out");
    other.sequences = 2;
    EXPECT_NE(without_seconds(study(other)), without_seconds(first));
    EXPECT_EQ(cells("out").size(), 10u);
    EXPECT_EQ(study(options("out")), first);
    EXPECT_TRUE(stages.empty());
    other = options("out");
    other.recipes = {"rtn", "mr-gptq", "rtn+hadamard:32"};
    EXPECT_EQ(study(other)["cells"].size(), 6u);
    EXPECT_EQ(cells("out").size(), 12u);
}

TEST_F(ModelStudy, DrawsAreOfTheLastRecipesFourBitInputs) {
    ModelStudyOptions o = options("out");
    o.seeds = 3;
    const Json results = study(o);
    ASSERT_EQ(results["cells"].size(), 6u);
    EXPECT_EQ(results["calibration"]["draws"], 3);
    for (std::size_t i = 4; i < 6; ++i) {
        EXPECT_EQ(results["cells"][i]["scheme"], "mxfp4");
        EXPECT_EQ(results["cells"][i]["recipe"], "mr-gptq");
        EXPECT_EQ(results["cells"][i]["seed"], i - 3);
        EXPECT_NE(results["cells"][i]["kl"], results["cells"][2]["kl"]);
    }
}

TEST_F(ModelStudy, WithoutDataTheModelCalibratesItselfOnce) {
    ModelStudyOptions o = options("out");
    o.calibration = "";
    o.schemes = {"nvfp4"};
    const Json first = study(o);
    EXPECT_EQ(first["calibration"]["sequence_length"], 64);
    EXPECT_THAT(stages[0], testing::HasSubstr("sampling"));
    EXPECT_EQ(study(o), first);
    EXPECT_TRUE(stages.empty());
}

TEST_F(ModelStudy, WhatTheShapesDoNotAllowIsLeftOut) {
    ModelStudyOptions o = options("out");
    o.schemes = {"mxfp4", "int8"};
    o.recipes = {"rtn", "rtn+hadamard:24"};
    const Json results = study(o);
    EXPECT_EQ(results["cells"].size(), 2u);
    ASSERT_EQ(results["left_out"].size(), 2u);
    EXPECT_EQ(results["left_out"].dump().find(folder / "" / ""), std::string::npos);
    o.recipes = {"rtn+hadamard:24"};
    EXPECT_THROW(study(o), Error);
    o.recipes = {"rtn", "best-of-all"};
    EXPECT_THROW(study(o), Error);
    o.recipes = {"rtn", "rtn"};
    EXPECT_THROW(study(o), Error);
}

TEST(Draws, WindowsAreEveryNthAndDrawsDiffer) {
    std::vector<std::int32_t> tokens(148 * 4);
    for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::int32_t>(i);
    const auto windows = spread_windows(tokens, 20, 4);
    ASSERT_EQ(windows.rows, 19);
    for (std::int64_t w = 0; w < 19; ++w) EXPECT_EQ(windows(w, 0), w * 8 * 4);
    EXPECT_EQ(spread_windows(tokens, 1, 4).rows, 1);
    EXPECT_EQ(spread_windows(tokens, 1000, 4).rows, 148);
    EXPECT_EQ(spread_windows(tokens, 3, 10000).cols, 148 * 4);

    const auto zero = draw_rows(tokens, 10, 4, 0), one = draw_rows(tokens, 10, 4, 1),
               two = draw_rows(tokens, 10, 4, 2);
    EXPECT_NE(one.values, zero.values);
    EXPECT_NE(one.values, two.values);
    for (std::int64_t r = 1; r < 10; ++r) EXPECT_GT(one(r, 0), one(r - 1, 0));  // none twice
    EXPECT_EQ(draw_rows(tokens, 1000, 4, 5).values, draw_rows(tokens, 1000, 4, 0).values);
}

}  // namespace
}  // namespace hb
