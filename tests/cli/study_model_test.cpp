// SPDX-License-Identifier: Apache-2.0
// halfbyte study MODEL as a person runs it: files, a kill, the failures.
#include <fmt/format.h>

#include <csignal>

#include "report/xml_check.hpp"
#include "tiny_model.hpp"

namespace hb::test {
namespace {

class StudyModel : public ::testing::Test {
protected:
    TemporaryFolder folder;

    void SetUp() override {
        write_tiny_model(folder / "model");
        put(folder / "text.txt", tiny_text(2000));
        put(folder / "calibration.txt", tiny_text(4000));
    }
    std::vector<std::string> arguments(const std::string& out,
                                       const std::vector<std::string>& more = {}) const {
        std::vector<std::string> all = {"study",
                                        (folder / "model").string(),
                                        "--out",
                                        (folder / out).string(),
                                        "--schemes",
                                        "mxfp4,mxfp4a16",
                                        "--recipes",
                                        "rtn,mr-gptq",
                                        "--text",
                                        (folder / "text.txt").string(),
                                        "--calibration",
                                        (folder / "calibration.txt").string(),
                                        "--sequences",
                                        "4",
                                        "--sequence-length",
                                        "64",
                                        "--window",
                                        "64"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
};

TEST_F(StudyModel, WritesResultsAndAReportThatAgrees) {
    const Ran ran = run(arguments("out"));
    ASSERT_TRUE(succeeded(ran));
    const Json results = json_in(folder / "out" / "results.json");
    ASSERT_TRUE(results.is_object());
    const std::string page = content(folder / "out" / "report.html"),
                      csv = content(folder / "out" / "results.csv");
    parse_xml(page);
    EXPECT_EQ(page.find(folder / ""), std::string::npos);  // tells nothing about the machine
    EXPECT_EQ(results.dump().find(folder / ""), std::string::npos);
    for (const Json& cell : results["cells"]) {
        const std::string kl = fmt::format("<td class=\"n\">{:.4f}</td>", cell["kl"].get<double>());
        EXPECT_NE(page.find(kl), std::string::npos) << kl;
        EXPECT_NE(ran.out.find(cell["recipe"].get<std::string>()), std::string::npos);
        EXPECT_NE(csv.find(fmt::format("{:.7g}", cell["kl"].get<double>())), std::string::npos);
    }
    const auto before = tree(folder / "out");
    ASSERT_TRUE(succeeded(run(arguments("out"))));
    EXPECT_EQ(tree(folder / "out"), before);
}

TEST_F(StudyModel, GoesOnAfterAKill) {
    ASSERT_TRUE(succeeded(run(arguments("whole"))));
    const pid_t child = ::fork();
    if (child == 0) {
        std::string program = HALFBYTE_BINARY;
        std::vector<std::string> copies = arguments("killed");
        std::vector<char*> argv{program.data()};
        for (std::string& argument : copies) argv.push_back(argument.data());
        argv.push_back(nullptr);
        ::freopen("/dev/null", "w", stdout);
        ::freopen("/dev/null", "w", stderr);
        ::execv(program.c_str(), argv.data());
        ::_exit(127);
    }
    // Once two cells are finished; if the study ends before, there was nothing to kill.
    const auto finished = [&] {
        std::size_t count = 0;
        if (fs::exists(folder / "killed" / "cells"))
            for (const auto& cell : fs::directory_iterator(folder / "killed" / "cells"))
                count += fs::exists(cell.path() / "result.json");
        return count;
    };
    for (int wait = 0; wait < 20000 && finished() < 2; ++wait) ::usleep(1000);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ASSERT_GE(finished(), 2u);
    ASSERT_TRUE(succeeded(run(arguments("killed"))));
    Json whole = json_in(folder / "whole" / "results.json"),
         resumed = json_in(folder / "killed" / "results.json");
    for (Json* j : {&whole, &resumed}) {
        (*j)["reference"].erase("seconds");
        for (Json& cell : (*j)["cells"]) cell.erase("seconds");
    }
    EXPECT_EQ(resumed, whole);
}

TEST_F(StudyModel, TasksAddRecovery) {
    const fs::path golden = fs::path(HALFBYTE_TESTS_DIR) / "eval/golden";
    put(folder / "words.txt", "one two three four five six seven eight nine ten eleven twelve");
    const Ran ran = run({"study",
                         (golden / "model").string(),
                         "--out",
                         (folder / "out").string(),
                         "--schemes",
                         "int8",
                         "--recipes",
                         "rtn",
                         "--text",
                         (folder / "words.txt").string(),
                         "--sequences",
                         "1",
                         "--sequence-length",
                         "8",
                         "--tasks",
                         "piqa,boolq",
                         "--task-data",
                         golden.string(),
                         "--limit",
                         "3",
                         "--keep"});
    ASSERT_TRUE(succeeded(ran));
    const Json results = json_in(folder / "out" / "results.json");
    ASSERT_EQ(results["reference"]["tasks"].size(), 2u);
    EXPECT_EQ(results["cells"][0]["tasks"][0]["task"], "piqa");
    EXPECT_EQ(results["cells"][0]["tasks"][0]["items"], 3);
    EXPECT_NE(ran.out.find("recovery %"), std::string::npos);
    EXPECT_NE(content(folder / "out" / "report.html").find("Accuracy in percent"),
              std::string::npos);
    const std::string name = results["cells"][0]["name"];
    EXPECT_TRUE(fs::exists(folder / "out" / "cells" / name / "model" / "config.json"));
}

TEST_F(StudyModel, FailsInOneLine) {
    EXPECT_TRUE(run({"study", (folder / "model").string()}).failed_in_one_line());
    EXPECT_TRUE(run({"study", (folder / "model").string(), "--out", (folder / "o").string()})
                    .failed_in_one_line());
    EXPECT_TRUE(run(arguments("out", {"--schemes", "fp3"})).failed_in_one_line());
    EXPECT_TRUE(run(arguments("out", {"--recipes", "rtn+waves"})).failed_in_one_line());
    EXPECT_TRUE(run(arguments("out", {"--window", "512"})).failed_in_one_line());
    EXPECT_TRUE(run(arguments("out", {"--tasks", "piqa"})).failed_in_one_line());
    put(folder / "file", "");
    EXPECT_TRUE(run(arguments("file")).failed_in_one_line());
}

TEST_F(StudyModel, HelpStatesTheContract) {
    const std::string help = run({"study", "--help"}).out;
    for (const char* option :
         {"MODEL", "formats", "--out", "--schemes", "--recipes", "--calibration", "--sequences",
          "--sequence-length", "--seeds", "--text", "--tokens", "--windows", "--window", "--tasks",
          "--task-data", "--limit", "--threads", "--keep"})
        EXPECT_NE(help.find(option), std::string::npos) << option;
}

}  // namespace
}  // namespace hb::test
