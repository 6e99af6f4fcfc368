// SPDX-License-Identifier: Apache-2.0
// eval --tasks on the golden model and items: what it writes, and that neither threads nor the
// order of tasks change it.
#include "run_binary.hpp"

namespace hb::test {
namespace {

class EvalTasks : public ::testing::Test {
protected:
    const fs::path golden = fs::path(HALFBYTE_TESTS_DIR) / "eval/golden";
    TemporaryFolder folder;

    Json evaluate(const std::vector<std::string>& more, const std::string& threads = "1") const {
        std::vector<std::string> all = {"eval",        (golden / "model").string(),
                                        "--task-data", golden.string(),
                                        "--json",      (folder / "eval.json").string(),
                                        "--items",     (folder / "items.jsonl").string(),
                                        "--threads",   threads};
        all.insert(all.end(), more.begin(), more.end());
        const Ran ran = run(all);
        EXPECT_TRUE(succeeded(ran));
        EXPECT_NE(ran.out.find(" ± "), std::string::npos) << ran.out;
        return json_in(folder / "eval.json");
    }
    std::string items() const { return content(folder / "items.jsonl"); }
};

TEST_F(EvalTasks, AModelRecoversItself) {
    const Json j = evaluate({"--tasks", "boolq,piqa", "--reference", (golden / "model").string()});
    ASSERT_EQ(j["tasks"].size(), 2u);
    const Json piqa = j["tasks"][1];
    EXPECT_EQ(piqa["task"], "piqa");
    EXPECT_EQ(piqa["items"], 3);
    for (const char* key : {"acc", "acc_stderr", "acc_norm", "acc_norm_stderr", "acc_bytes"})
        EXPECT_EQ(piqa[key], piqa["reference"][key]) << key;
    EXPECT_EQ(piqa["recovery"]["acc"].get<double>(), 100);
    EXPECT_EQ(piqa["recovery"]["acc_norm"].get<double>(), 100);
    EXPECT_FALSE(j["tasks"][0].contains("acc_norm"));
    EXPECT_EQ(j["recovery"].get<double>(), 100);
    EXPECT_DOUBLE_EQ(j["accuracy"].get<double>(),
                     (piqa["acc_norm"].get<double>() + j["tasks"][0]["acc"].get<double>()) / 2);
}

TEST_F(EvalTasks, ThreadsChangeNoBit) {
    const std::vector<std::string> tasks = {"--tasks", "arc_easy,lambada,hellaswag"};
    Json alone = evaluate(tasks, "1");
    const std::string lines = items();
    Json three = evaluate(tasks, "3");
    EXPECT_EQ(lines, items());
    for (Json* j : {&alone, &three}) {
        j->erase("threads");
        for (Json& task : (*j)["tasks"]) task.erase("seconds");
    }
    EXPECT_EQ(alone, three);
}

TEST_F(EvalTasks, OneItemHasNoError) {
    const Json j = evaluate({"--tasks", "arc_easy,lambada", "--limit", "1", "--limit", "2"});
    EXPECT_EQ(j["tasks"][0]["items"], 2);
    const std::string lines = items();
    EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 4);
    const Ran one =
        run({"eval", (golden / "model").string(), "--task-data", golden.string(), "--tasks", "piqa",
             "--limit", "1", "--json", (folder / "one.json").string()});
    ASSERT_TRUE(succeeded(one));
    EXPECT_EQ(one.out.find("nan"), std::string::npos) << one.out;
    EXPECT_TRUE(json_in(folder / "one.json")["tasks"][0]["acc_stderr"].is_null());
}

}  // namespace
}  // namespace hb::test
