// SPDX-License-Identifier: Apache-2.0
// The items of golden/, whose likelihoods and figures lm-evaluation-harness computed
// (golden/make_tasks.py); what a task's file must hold; figures small enough for a check by hand.
#include "eval/tasks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/error.hpp"
#include "core/file.hpp"
#include "eval/task_score.hpp"
#include "io/temporary_folder.hpp"

namespace hb {
namespace {

namespace fs = std::filesystem;
constexpr std::int64_t kAll = 1 << 30;

fs::path golden() {
    return fs::path(HALFBYTE_TESTS_DIR) / "eval/golden";
}

class TasksOfTheHarness : public testing::TestWithParam<std::string> {
protected:
    static TaskScore score(const Task& task) {
        Threads threads(2);
        const Decoder decoder = load_decoder(Checkpoint::open(golden() / "model"), threads);
        const Tokenizer tokenizer(read_file(golden() / "model/tokenizer.json"), "tokenizer.json");
        return evaluate_task(task, read_items(task, golden(), kAll), tokenizer, decoder,
                             pick_kernels(), threads);
    }
};

void expect_figure(const Json& figures, const std::string& name, const Figure& figure) {
    if (!figures.contains(name)) return;
    EXPECT_NEAR(figure.value, figures[name].get<double>(), 1e-4 * figure.value) << name;
    if (figures.contains(name + "_stderr")) {
        EXPECT_NEAR(figure.error, figures[name + "_stderr"].get<double>(), 1e-12) << name;
    }
}

TEST_P(TasksOfTheHarness, GiveItsLikelihoodsAndFigures) {
    const Task& task = find_task(GetParam());
    const TaskScore found = score(task);
    const Json expected = Json::parse(read_file(golden() / "expected.json"))[GetParam()];
    ASSERT_EQ(found.items.size(), expected["items"].size());
    for (std::size_t i = 0; i < found.items.size(); ++i) {
        const Json& item = expected["items"][i];
        const ItemScore& own = found.items[i];
        ASSERT_EQ(own.answers.size(), item["log_likelihoods"].size()) << i;
        for (std::size_t a = 0; a < own.answers.size(); ++a) {
            const double log = item["log_likelihoods"][a];
            EXPECT_NEAR(own.answers[a].log, log, 1e-5 * std::abs(log)) << i << " " << a;
            EXPECT_EQ(own.answers[a].greedy, item["greedy"][a].get<bool>()) << i << " " << a;
        }
        EXPECT_EQ(own.acc, item["acc"].get<double>() == 1) << i;
        if (item.contains("acc_norm")) {
            EXPECT_EQ(own.acc_norm, item["acc_norm"].get<double>() == 1) << i;
            EXPECT_EQ(own.acc_bytes, item["acc_bytes"].get<double>() == 1) << i;
        }
    }
    const Json& figures = expected["figures"];
    expect_figure(figures, "acc", found.acc);
    expect_figure(figures, "acc_norm", found.acc_norm);
    expect_figure(figures, "acc_bytes", found.acc_bytes);
    expect_figure(figures, "perplexity", found.perplexity);
}

INSTANTIATE_TEST_SUITE_P(All, TasksOfTheHarness,
                         testing::Values("arc_easy", "piqa", "winogrande", "boolq", "openbook_qa",
                                         "hellaswag", "lambada"),
                         [](const auto& one) { return one.param; });

TEST(Tasks, TheGoldenItemsCoverTheTable) {
    for (const Task& task : all_tasks()) EXPECT_TRUE(fs::exists(golden() / task.file)) << task.name;
    EXPECT_THROW(find_task("arc"), Error);
}

TEST(Tasks, TheLimitKeepsTheFirstItems) {
    const Task& task = find_task("arc_easy");
    const auto two = read_items(task, golden(), 2), all = read_items(task, golden(), kAll);
    ASSERT_EQ(two.size(), 2u);
    ASSERT_EQ(all.size(), 4u);
    EXPECT_EQ(two[1].answers[0].context, all[1].answers[0].context);
    EXPECT_EQ(two[0].answers[0].context, "Question: What does a mill grind?\nAnswer:");
    EXPECT_EQ(two[0].answers[0].continuation, " grain");
}

struct Broken {
    const char *task, *content, *complaint;
};
void PrintTo(const Broken& broken, std::ostream* out) {
    *out << broken.task << ": " << broken.complaint;
}

class BrokenTaskFile : public testing::TestWithParam<Broken> {};

TEST_P(BrokenTaskFile, IsNamedInOneLine) {
    const TemporaryFolder temporary;
    const fs::path& folder = temporary.path;
    const Task& task = find_task(GetParam().task);
    std::ofstream(folder / task.file, std::ios::binary) << GetParam().content;
    try {
        read_items(task, folder, kAll);
        FAIL() << "not refused";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr(GetParam().complaint));
        EXPECT_THAT(error.what(), testing::HasSubstr(std::string(task.file)));
        EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("\n")));
    }
}

const char* kGood = "{\"query\": \"q\", \"choices\": [\"a\", \"b\"], \"gold\": 0}\n";
const std::string kBadSecond = std::string(kGood) + "{\"query\": 7}";

INSTANTIATE_TEST_SUITE_P(
    Tasks, BrokenTaskFile,
    testing::Values(
        Broken{"piqa", "", "no items"}, Broken{"piqa", "{\"query\": ", "line 1"},
        Broken{"piqa", kBadSecond.c_str(), "line 2"}, Broken{"piqa", "[]", "no field \"query\""},
        Broken{"piqa", "{\"query\": \"q\", \"choices\": [], \"gold\": 0}", "choices"},
        Broken{"piqa", "{\"query\": \"q\", \"choices\": [\"\"], \"gold\": 0}", "not empty"},
        Broken{"piqa", "{\"query\": \"q\", \"choices\": [\"a\"], \"gold\": 1}", "\"gold\" is 1"},
        Broken{"piqa", "{\"query\": \"q\", \"choices\": [\"a\"], \"gold\": -1}", "\"gold\" is -1"},
        Broken{"winogrande", kGood, "no field \"continuation\""},
        Broken{"lambada", kGood, "no field \"continuation\""},
        Broken{"hellaswag", "context\n1\na\nb\nc\n", "5 lines"},
        Broken{"hellaswag", "context\none\na\nb\nc\nd\n", "'one'"},
        Broken{"hellaswag", "context\n4\na\nb\nc\nd\n", "\"gold\" is 4"}));

TEST(TaskScore, ErrorsAreThoseOfTheMean) {
    const Figure half = mean_of(std::vector<double>{1, 0, 0, 1});
    EXPECT_EQ(half.value, 0.5);
    EXPECT_DOUBLE_EQ(half.error, std::sqrt(0.5 * 0.5 / 3));  // sqrt(p (1 - p) / (n - 1))
    EXPECT_EQ(mean_of(std::vector<double>{1, 1, 1}).error, 0);
    EXPECT_TRUE(std::isnan(mean_of(std::vector<double>{1}).error));
}

TEST(TaskScore, LengthsAreThoseOfTheChoice) {
    TaskItem item;
    item.answers = {{"", " ab", "ab"}, {"", " éééé", "éééé"}, {"", " abc", "abc"}};
    const std::vector<Likelihood> likelihoods = {{-4, false}, {-7, false}, {-4, false}};
    const Task& task = find_task("piqa");
    const auto right = [&](std::int64_t gold) {
        item.gold = gold;
        const ItemScore s = score_item(task, item, likelihoods);
        return std::array{s.acc, s.acc_norm, s.acc_bytes};
    };
    EXPECT_EQ(right(0), (std::array{true, false, false}));  // -4 is first of two
    EXPECT_EQ(right(1), (std::array{false, false, true}));  // -2, -1.75, -1.33; -2, -0.875, -1.33
    EXPECT_EQ(right(2), (std::array{false, true, false}));
}

}  // namespace
}  // namespace hb
