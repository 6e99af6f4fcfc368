// SPDX-License-Identifier: Apache-2.0
// halfbyte study formats on few numbers: its files, their agreement, and threads.
#include "tiny_model.hpp"

namespace hb::test {
namespace {

Ran study(const TemporaryFolder& folder, const std::string& threads, const std::string& name) {
    return run({"study", "formats", "--samples", "1024", "--seed", "3", "--threads", threads,
                "--model", (folder / "model").string(), "--json",
                (folder / (name + ".json")).string(), "--csv",
                (folder / (name + ".csv")).string()});
}

TEST(Study, FilesAreTheSameOnAnyThreads) {
    const TemporaryFolder folder;
    write_tiny_model(folder / "model");
    const Ran one = study(folder, "1", "one"), two = study(folder, "2", "two");
    ASSERT_TRUE(succeeded(one));
    ASSERT_TRUE(succeeded(two));
    EXPECT_EQ(one.out, two.out);
    EXPECT_EQ(content(folder / "one.json"), content(folder / "two.json"));
    EXPECT_EQ(content(folder / "one.csv"), content(folder / "two.csv"));

    const Json j = json_in(folder / "one.json");
    ASSERT_TRUE(j.is_object());
    EXPECT_EQ(j["samples"], 1024);
    EXPECT_EQ(j["rows"].size(), 5 * (3 + 7));  // rotations of three distributions, seven linears
    EXPECT_EQ(j["by_kurtosis"].size(), 4 * 5);
    std::size_t figures = 0;
    for (const Json& entry : j["rows"])
        for (const auto& [name, of_choice] : entry["scales"].items()) {
            EXPECT_EQ(of_choice["relative_mse"].size(), entry["groups"].size()) << name;
            figures += entry["groups"].size();
        }
    const std::string csv = content(folder / "one.csv");
    EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), figures + 1);
    for (const char* word : {"normal", "laplace", "student-t5", "down_proj", "ceil7.25", "sweep"})
        EXPECT_NE(one.out.find(word), std::string::npos) << word;
}

TEST(Study, RefusesAModelThatIsQuantized) {
    const TemporaryFolder folder;
    write_tiny_model(folder / "model");
    ASSERT_TRUE(succeeded(run({"quantize", (folder / "model").string(), (folder / "out").string(),
                               "--scheme", "mxfp4", "--recipe", "rtn"})));
    const Ran ran = run({"study", "formats", "--model", (folder / "out").string()});
    EXPECT_TRUE(ran.failed_in_one_line());
    EXPECT_NE(ran.err.find("quantized already"), std::string::npos) << ran.err;
}

TEST(Study, HelpStatesTheContract) {
    const std::string help = run({"study", "formats", "--help"}).out;
    for (const char* option : {"--model", "--samples", "--seed", "--threads", "--json", "--csv"})
        EXPECT_NE(help.find(option), std::string::npos) << option;
}

}  // namespace
}  // namespace hb::test
