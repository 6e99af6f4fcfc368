// SPDX-License-Identifier: Apache-2.0
// What the program says about itself, and that everything it cannot read fails in exactly one line.
#include "cli/commands.hpp"
#include "run_binary.hpp"

namespace hb::test {
namespace {

TEST(Usage, VersionIsNameAndNumber) {
    const Ran ran = run({"--version"});
    EXPECT_TRUE(succeeded(ran));
    EXPECT_EQ(ran.out, "halfbyte 0.1.0\n");
}

TEST(Usage, HelpNamesEveryCommand) {
    const Ran ran = run({"--help"});
    EXPECT_TRUE(succeeded(ran));
    for (const Command& command : all_commands()) {
        EXPECT_NE(ran.out.find(command.name), std::string::npos) << command.name;
        const Ran own = run({std::string(command.name), "--help"});
        EXPECT_TRUE(succeeded(own));
        EXPECT_NE(own.out.find("halfbyte " + std::string(command.name)), std::string::npos)
            << own.out;
    }
}

TEST(Usage, HelpStatesTheContract) {
    const std::string quantize = run({"quantize", "--help"}).out,
                      eval = run({"eval", "--help"}).out, bench = run({"bench", "--help"}).out,
                      generate = run({"run", "--help"}).out;
    for (const char* option :
         {"MODEL", "OUT", "--scheme", "--recipe", "--transform", "--rotation", "--channels",
          "--weight-scales", "--activation-scales", "--calibration", "--sequences",
          "--sequence-length", "--ignore", "--seed", "--threads", "--resume", "--activations",
          "--dry-run", "--json"})
        EXPECT_NE(quantize.find(option), std::string::npos) << option;
    for (const char* option :
         {"--text", "--tokens", "--tasks", "--task-data", "--limit", "--items", "--window",
          "--reference", "--kl-stride", "--head", "--kv", "--activations", "--threads", "--json"})
        EXPECT_NE(eval.find(option), std::string::npos) << option;
    for (const char* option :
         {"MODEL", "--random", "--scheme", "-p,", "-n,", "-t,--threads", "--parallel", "--kernels",
          "--repeat", "--head", "--kv", "--activations", "--json"})
        EXPECT_NE(bench.find(option), std::string::npos) << option;
    for (const char* option : {"MODEL", "-p,--prompt", "--prompts", "--parallel", "--json-lines",
                               "-n,--count", "--chat", "--system", "--temperature", "--top-p",
                               "--top-k", "--seed", "--stop", "--kv", "--activations", "--json"})
        EXPECT_NE(generate.find(option), std::string::npos) << option;
}

class BadCommandLine : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(BadCommandLine, FailsInOneLine) {
    EXPECT_TRUE(run(GetParam()).failed_in_one_line());
}

INSTANTIATE_TEST_SUITE_P(
    Usage, BadCommandLine,
    ::testing::Values(
        std::vector<std::string>{}, std::vector<std::string>{"quantise"},
        std::vector<std::string>{"list"}, std::vector<std::string>{"list", "colours"},
        std::vector<std::string>{"list", "schemes", "more"}, std::vector<std::string>{"inspect"},
        std::vector<std::string>{"inspect", "/nowhere/at/all"},
        std::vector<std::string>{"inspect", ""},
        std::vector<std::string>{"inspect", "line\nbreak\x1b[31m"},
        std::vector<std::string>{"eval", "/nowhere"},
        std::vector<std::string>{"eval", "/nowhere", "--text", "a", "--tokens", "b"},
        std::vector<std::string>{"eval", "/nowhere", "--text", "a", "--window", "1"},
        std::vector<std::string>{"eval", "/nowhere", "--text", "a", "--limit", "1"},
        std::vector<std::string>{"eval", "/nowhere", "--tasks", "piqa"},
        std::vector<std::string>{"eval", "/nowhere", "--tasks", "piqa", "--task-data", "/nowhere"},
        std::vector<std::string>{"eval", "/nowhere", "--tasks", "pi", "--task-data", "/nowhere"},
        std::vector<std::string>{"eval", "/nowhere", "--tasks", "piqa", "--task-data", "/nowhere",
                                 "--window", "64"},
        std::vector<std::string>{"eval", "/nowhere", "--text", "a", "--threads", "0"},
        std::vector<std::string>{"eval", "/nowhere", "--text", "a", "--json", "/no/folder/x.json"},
        std::vector<std::string>{"list", "schemes", "--json", "/dev/null"},
        std::vector<std::string>{"list", "schemes", "--json", "/"},
        std::vector<std::string>{"run", "/nowhere"},
        std::vector<std::string>{"run", "/nowhere", "-p"},
        std::vector<std::string>{"run", "/nowhere", "-p", "x", "--temperature", "-1"},
        std::vector<std::string>{"run", "/nowhere", "-p", "x", "-n", "many"},
        std::vector<std::string>{"run", "/nowhere", "-p", "x", "--head", "int3"},
        std::vector<std::string>{"bench", "/nowhere", "--head", "Q4_K"},
        std::vector<std::string>{"run", "/nowhere", "-p", "x", "--kv", "int4"},
        std::vector<std::string>{"bench", "/nowhere", "--kv", ""},
        std::vector<std::string>{"run", "/nowhere", "-p", "x", "--activations", "int8"},
        std::vector<std::string>{"bench", "--random", "llama-tiny", "--scheme", "mxfp4",
                                 "--activations", "mxint8"},
        std::vector<std::string>{"eval", "/nowhere", "--text", "a", "--head", ""},
        std::vector<std::string>{"quantize", "/nowhere"},
        std::vector<std::string>{"quantize", "/nowhere", "/tmp/out", "--activations", "tape"},
        std::vector<std::string>{"quantize", "/nowhere", "/tmp/out", "--sequences", "-3"},
        std::vector<std::string>{"study"}, std::vector<std::string>{"study", "colours"},
        std::vector<std::string>{"study", "formats", "--samples", "3"},
        std::vector<std::string>{"study", "formats", "--model", "/nowhere"},
        std::vector<std::string>{"sample", "/nowhere"}));

TEST(List, EveryKindHasNamesAndHelp) {
    const TemporaryFolder folder;
    for (const char* kind : {"schemes", "scale-rules", "transforms", "recipes", "architectures"}) {
        const auto file = folder / "list.json";
        const Ran ran = run({"list", kind, "--json", file.string()});
        ASSERT_TRUE(succeeded(ran)) << kind;
        const Json rows = json_in(file);
        ASSERT_TRUE(rows.is_array() && !rows.empty()) << kind;
        for (const Json& row : rows) {
            EXPECT_FALSE(row["help"].get<std::string>().empty()) << row;
            EXPECT_NE(ran.out.find(row["name"].get<std::string>()), std::string::npos) << row;
        }
    }
}

TEST(List, NamesTheContract) {
    const std::string schemes = run({"list", "schemes"}).out,
                      recipes = run({"list", "recipes"}).out;
    for (const char* name : {"mxfp4", "nvfp4", "mxfp4a16", "nvfp4a16", "int4g32", "int4g128"})
        EXPECT_NE(schemes.find(name), std::string::npos) << name;
    for (const char* name : {"rtn", "gptq", "mr-gptq"})
        EXPECT_NE(recipes.find(name), std::string::npos) << name;
    const std::string rules = run({"list", "scale-rules"}).out;
    for (const char* name : {"ocp", "ct-round", "fp-quant", "rceil", "ceil7.25", "mse", "absmax",
                             "fp-quant-mse", "four-over-six", "sweep4", "sweep8", "sweep"})
        EXPECT_NE(rules.find(name), std::string::npos) << name;
}

TEST(Output, AFullDiskIsOneLine) {
    if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
    EXPECT_TRUE(run_with_output({"list", "schemes"}, "/dev/full").failed_in_one_line());
}

TEST(Output, AReaderThatLeavesIsNoError) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    ::close(ends[0]);
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(ends[1], STDOUT_FILENO);
        ::execl(HALFBYTE_BINARY, "halfbyte", "list", "schemes", nullptr);
        ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ::close(ends[1]);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 141) << status;
}

}  // namespace
}  // namespace hb::test
