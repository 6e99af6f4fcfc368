// SPDX-License-Identifier: Apache-2.0
// run with several prompts: each text is the one that its prompt gives alone, in order.
#include <sstream>

#include "tiny_model.hpp"

namespace hb::test {
namespace {

const std::vector<std::string> kPrompts = {"the rest of the text is on another line, as it", "and",
                                           "the rest of the text is on another", "no more of it"};

class RunTogether : public ::testing::Test {
protected:
    void SetUp() override { write_tiny_model(folder / "model"); }
    std::string path(const std::string& name) const { return (folder / name).string(); }
    Ran generate(const std::vector<std::string>& more) const {
        std::vector<std::string> all = {"run", path("model"), "-n", "20", "--threads", "1"};
        all.insert(all.end(), more.begin(), more.end());
        return run(all);
    }
    Ran generate_all(const std::vector<std::string>& more) const {
        std::vector<std::string> all;
        for (const std::string& prompt : kPrompts) all.insert(all.end(), {"-p", prompt});
        all.insert(all.end(), more.begin(), more.end());
        return generate(all);
    }
    std::string alone(std::size_t i, const std::vector<std::string>& more = {}) const {
        std::vector<std::string> all = {"-p", kPrompts[i]};
        all.insert(all.end(), more.begin(), more.end());
        return generate(all).out;
    }
    static std::vector<Json> objects(const std::string& text) {
        std::vector<Json> found;
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);)
            found.push_back(Json::parse(line, nullptr, false));
        return found;
    }

    TemporaryFolder folder;
};

TEST_F(RunTogether, TextsComeInOrderWithABlankLineBetween) {
    std::string wanted;
    for (std::size_t i = 0; i < kPrompts.size(); ++i) wanted += (i ? "\n\n" : "") + alone(i);
    for (const char* parallel : {"1", "2", "8"}) {
        const Ran ran = generate_all({"--parallel", parallel, "--threads", "2"});
        EXPECT_TRUE(succeeded(ran));
        EXPECT_EQ(ran.out, wanted) << parallel;
        EXPECT_NE(ran.err.find("4 prompts"), std::string::npos) << ran.err;
    }
}

TEST_F(RunTogether, PromptIHasTheSeedPlusI) {
    const Ran ran =
        generate_all({"--parallel", "3", "--temperature", "1.5", "--seed", "7", "--json-lines"});
    const auto lines = objects(ran.out);
    ASSERT_EQ(lines.size(), kPrompts.size());
    for (std::size_t i = 0; i < lines.size(); ++i)
        EXPECT_EQ(lines[i]["text"],
                  alone(i, {"--temperature", "1.5", "--seed", std::to_string(7 + i)}));
}

TEST_F(RunTogether, JsonLinesSayHowEachEnded) {
    const std::string text = alone(1);
    ASSERT_GT(text.size(), 8u);
    const std::string stop = text.substr(5, 3);
    const auto lines = objects(
        generate_all({"--parallel", "4", "--json-lines", "--stop", stop, "--json", path("all")})
            .out);
    ASSERT_EQ(lines.size(), kPrompts.size());
    const Json all = json_in(folder / "all");
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const Json& line = lines[i];
        EXPECT_EQ(line["index"], i);
        EXPECT_EQ(line["text"], alone(i, {"--stop", stop}));
        EXPECT_GT(line["tokens"], 0);
        EXPECT_EQ(all["results"][i]["text"], line["text"]);
    }
    EXPECT_EQ(lines[1]["reason"], "stop string");
    EXPECT_EQ(lines[1]["text"], text.substr(0, text.find(stop)));
    EXPECT_EQ(all["prompt_tokens"].get<int>() > all["prompt_tokens_shared"].get<int>(), true);
    EXPECT_EQ(objects(generate({"-p", "and", "--json-lines"}).out).size(), 1u);
}

TEST_F(RunTogether, PromptsComeFromAFileToo) {
    std::string plain, jsonl;
    for (const std::string& prompt : kPrompts) {
        plain += prompt + "\n\n";
        jsonl += Json({{"id", 1}, {"prompt", prompt}}).dump() + "\n";
    }
    put(folder / "plain.txt", plain);
    put(folder / "objects.jsonl", jsonl);
    const std::string wanted = generate_all({}).out;
    for (const char* name : {"plain.txt", "objects.jsonl"})
        EXPECT_EQ(generate({"--prompts", path(name), "--parallel", "2"}).out, wanted) << name;
    put(folder / "one.txt", kPrompts[1] + "\r\n");
    EXPECT_EQ(generate({"--prompts", path("one.txt")}).out, alone(1));
}

TEST_F(RunTogether, WhatCannotBeReadOrRunIsOneLine) {
    put(folder / "empty.txt", "\n \n");
    put(folder / "bad.jsonl", "{\"prompt\": \"x\"}\n{\"text\": \"x\"}\n");
    put(folder / "some.txt", "x\n");
    for (const char* name : {"empty.txt", "bad.jsonl", "absent.txt"})
        EXPECT_TRUE(generate({"--prompts", path(name)}).failed_in_one_line()) << name;
    EXPECT_NE(generate({"--prompts", path("bad.jsonl")}).err.find("line 2"), std::string::npos);
    EXPECT_TRUE(generate({"--prompts", ""}).failed_in_one_line());
    EXPECT_TRUE(generate({"-p", "x", "--prompts", path("some.txt")}).failed_in_one_line());
    EXPECT_TRUE(generate({}).failed_in_one_line());
    EXPECT_TRUE(generate_all({"--parallel", "0"}).failed_in_one_line());
    const Ran ran = generate_all({"-p", tiny_text(2000)});
    EXPECT_TRUE(ran.failed_in_one_line());
    EXPECT_NE(ran.err.find("prompt 4"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace hb::test
