// SPDX-License-Identifier: Apache-2.0
// inspect, eval, run and sample on a tiny random model.
#include <cmath>

#include "tiny_model.hpp"

namespace hb::test {
namespace {

class Use : public ::testing::Test {
protected:
    void SetUp() override {
        write_tiny_model(folder / "model");
        put(folder / "text.txt", tiny_text(2000));
    }
    std::string path(const std::string& name) const { return (folder / name).string(); }
    std::string model() const { return path("model"); }
    Ran generate(const std::vector<std::string>& more) const {
        std::vector<std::string> all = {"run", model(), "-p",        "the rest",
                                        "-n",  "24",    "--threads", "1"};
        all.insert(all.end(), more.begin(), more.end());
        return run(all);
    }
    Json evaluate(const std::vector<std::string>& more) const {
        std::vector<std::string> all = {"eval",      model(), "--json", path("eval.json"),
                                        "--threads", "1"};
        all.insert(all.end(), more.begin(), more.end());
        const Ran ran = run(all);
        EXPECT_TRUE(succeeded(ran));
        return json_in(folder / "eval.json");
    }

    TemporaryFolder folder;
};

TEST_F(Use, InspectCountsEveryTensor) {
    const Ran ran = run({"inspect", model(), "--json", path("inspect.json")});
    ASSERT_TRUE(succeeded(ran));
    const Json j = json_in(folder / "inspect.json");
    EXPECT_EQ(j["architecture"], "LlamaForCausalLM");
    EXPECT_TRUE(j["scheme"].is_null());
    EXPECT_EQ(j["tensors"].size(), 3u + 9u * kLayers);
    EXPECT_DOUBLE_EQ(j["linears"]["bits_per_weight"].get<double>(), 16);
    EXPECT_DOUBLE_EQ(j["all"]["bits_per_weight"].get<double>(), 16);
    EXPECT_NE(ran.out.find("model.layers.1.mlp.down_proj.weight"), std::string::npos);
}

TEST_F(Use, EvalAgainstItselfLosesNothing) {
    const Json j = evaluate(
        {"--text", path("text.txt"), "--window", "64", "--reference", model(), "--kl-stride", "2"});
    for (const char* key : {"perplexity", "kl", "top1", "tokens", "seconds", "tokens_per_second"})
        EXPECT_TRUE(j[key].is_number()) << key;
    EXPECT_NEAR(j["kl"].get<double>(), 0, 1e-9);
    EXPECT_EQ(j["top1"].get<double>(), 1);
    EXPECT_GT(j["perplexity"].get<double>(), 1);
}

TEST_F(Use, EvalSaysWhatAnotherTypeOfTheHeadCosts) {
    double last = 0;
    for (const char* type : {"q8_0", "nvfp4"}) {
        const Json j = evaluate(
            {"--text", path("text.txt"), "--window", "64", "--reference", model(), "--head", type});
        EXPECT_EQ(j["head"], type);
        EXPECT_GT(j["kl"].get<double>(), 4 * last) << type;
        last = j["kl"].get<double>();
    }
    EXPECT_LT(last, 0.1);
}

TEST_F(Use, RunWithAHeadInEightBitsDoesNotDependOnThreads) {
    const Ran one = generate({"--head", "q8_0"}), two = generate({"--head", "q8_0", "-t", "2"});
    ASSERT_TRUE(succeeded(one));
    EXPECT_FALSE(one.out.empty());
    EXPECT_EQ(one.out, two.out);
}

TEST_F(Use, EvalSaysWhatAnotherTypeOfKeysAndValuesCosts) {
    double last = 0;
    for (const char* type : {"bf16", "int8"}) {
        const Json j = evaluate(
            {"--text", path("text.txt"), "--window", "64", "--reference", model(), "--kv", type});
        EXPECT_EQ(j["kv"], type);
        EXPECT_GT(j["kl"].get<double>(), 1.5 * last) << type;
        last = j["kl"].get<double>();
    }
    EXPECT_LT(last, 0.1);
}

TEST_F(Use, RunWithKeysInEightBitsDependsOnNeitherThreadsNorNeighbours) {
    const Ran one = generate({"--kv", "int8"}), two = generate({"--kv", "int8", "-t", "2"});
    ASSERT_TRUE(succeeded(one));
    EXPECT_FALSE(one.out.empty());
    EXPECT_EQ(one.out, two.out);
    const Ran both = generate({"--kv", "int8", "-p", "another", "--parallel", "2"});
    ASSERT_TRUE(succeeded(both));
    EXPECT_EQ(both.out.substr(0, one.out.size()), one.out);
}

// Against the same weights with bf16 inputs: a loss, a small one, and that of the W4A4 is not.
TEST_F(Use, ActivationsInEightBitsCostLittle) {
    const auto quantize = [&](const char* scheme) {
        const std::string out = path(scheme);
        EXPECT_TRUE(
            succeeded(run({"quantize", model(), out, "--scheme", scheme, "--recipe", "rtn"})));
        return out;
    };
    const std::string weights = quantize("mxfp4a16"), both = quantize("mxfp4");
    const auto loss = [&](const std::string& of, const char* type) {
        const Ran ran =
            run({"eval", of, "--text", path("text.txt"), "--window", "64", "--reference", weights,
                 "--activations", type, "--json", path("eval.json")});
        EXPECT_TRUE(succeeded(ran));
        EXPECT_EQ(json_in(folder / "eval.json")["activations"], type);
        return json_in(folder / "eval.json")["kl"].get<double>();
    };
    const double eight = loss(weights, "mxint8");
    EXPECT_NEAR(loss(weights, "stored"), 0, 1e-9);
    EXPECT_GT(eight, 1e-7);
    EXPECT_LT(30 * eight, loss(both, "stored"));
    ASSERT_TRUE(succeeded(run({"sample", weights, path("a.i32"), "--sequences", "2",
                               "--sequence-length", "8", "--activations", "mxint8"})));
    EXPECT_TRUE(run({"run", both, "-p", "a", "--activations", "mxint8"}).failed_in_one_line());
    EXPECT_TRUE(run({"run", model(), "-p", "a", "--activations", "mxint8"}).failed_in_one_line());
}

TEST_F(Use, EvalCutsWindowsInOrderWithoutGaps) {
    put(folder / "ids.i32", std::string(100 * 4, '\0'));
    EXPECT_EQ(evaluate({"--tokens", path("ids.i32"), "--window", "32"})["windows"], 3);
    EXPECT_EQ(evaluate({"--tokens", path("ids.i32"), "--window", "200"})["windows"], 1);
    const Json j = evaluate({"--tokens", path("ids.i32"), "--window", "100"});
    EXPECT_TRUE(j["kl"].is_null());
    EXPECT_EQ(j["window"], 100);
}

TEST_F(Use, EvalReadsTextAndItsTokensAlike) {
    put(folder / "lines.jsonl",
        "{\"text\": \"the rest of it\"}\n\n{\"text\": \"and more of the rest\"}\n");
    EXPECT_GT(evaluate({"--text", path("lines.jsonl")})["perplexity"].get<double>(), 1);
}

TEST_F(Use, EvalRefusesBadData) {
    put(folder / "range.i32", std::string("\x00\x00\x00\x00\xff\x00\x00\x00", 8));
    put(folder / "odd.i32", std::string(7, '\0'));
    put(folder / "one.i32", std::string(4, '\0'));
    put(folder / "empty.txt", "");
    put(folder / "bad.jsonl", "{\"txt\": 1}\n");
    const std::pair<const char*, const char*> cases[] = {
        {"--tokens", "range.i32"}, {"--tokens", "odd.i32"}, {"--tokens", "one.i32"},
        {"--text", "empty.txt"},   {"--text", "bad.jsonl"}, {"--text", "absent.txt"}};
    for (const auto& [option, file] : cases)
        EXPECT_TRUE(
            run({"eval", model(), option, path(file), "--threads", "1"}).failed_in_one_line())
            << file;
    put(folder / "long.i32", std::string(4 * 600, '\0'));
    EXPECT_TRUE(run({"eval", model(), "--tokens", path("long.i32"), "--window", "512"})
                    .failed_in_one_line());
}

TEST_F(Use, RunPrintsTheGeneratedTextAlone) {
    const Ran ran = generate({"--json", path("run.json")});
    ASSERT_TRUE(succeeded(ran));
    EXPECT_EQ(ran.out, json_in(folder / "run.json")["text"].get<std::string>());
    EXPECT_FALSE(ran.out.empty());
    EXPECT_FALSE(ran.out.starts_with("the rest"));
    EXPECT_EQ(ran.out.find("<|"), std::string::npos);
    EXPECT_NE(ran.err.find("tokens/s"), std::string::npos);
    EXPECT_EQ(generate({}).out, ran.out);
    EXPECT_EQ(generate({"--threads=2"}).out, ran.out);
}

TEST_F(Use, ASeedNamesASample) {
    const auto draw = [&](const char* seed) {
        return generate({"--temperature", "1.5", "--seed", seed}).out;
    };
    EXPECT_EQ(draw("1"), draw("1"));
    EXPECT_NE(draw("1"), draw("2"));
    EXPECT_EQ(generate({"--temperature", "1.5", "--top-k", "1"}).out, generate({}).out);
}

TEST_F(Use, AStopStringEndsTheTextBeforeItself) {
    const std::string text = generate({}).out;
    ASSERT_GT(text.size(), 8u);
    const std::string stop = text.substr(5, 3);
    const Ran stopped = generate({"--stop", "no such text", "--stop", stop});
    EXPECT_TRUE(succeeded(stopped));
    EXPECT_EQ(stopped.out, text.substr(0, text.find(stop)));
}

TEST_F(Use, ChatGoesThroughTheTemplate) {
    const Ran chat = generate({"--chat"});
    EXPECT_TRUE(succeeded(chat));
    EXPECT_NE(chat.out, generate({}).out);
    const Ran system = generate({"--chat", "--system", "be brief"});
    EXPECT_TRUE(succeeded(system));
    fs::remove(folder / "model/tokenizer_config.json");
    EXPECT_TRUE(generate({"--chat"}).failed_in_one_line());
}

TEST_F(Use, RunStopsAtTheContextAndRefusesAPromptBeyondIt) {
    const Ran ran = run({"run", model(), "-p", "the", "-n", "1000", "--json", path("run.json")});
    ASSERT_TRUE(succeeded(ran));
    const Json j = json_in(folder / "run.json");
    EXPECT_LE(j["prompt_tokens"].get<int>() + j["tokens"].get<int>(), 257);
    EXPECT_TRUE(run({"run", model(), "-p", tiny_text(2000)}).failed_in_one_line());
}

TEST_F(Use, SampleWritesRowsThatEvalReads) {
    const auto sample = [&](const char* out, const char* seed, const char* threads) {
        return run({"sample", model(), path(out), "--sequences", "4", "--sequence-length", "32",
                    "--seed", seed, "--threads", threads});
    };
    ASSERT_TRUE(succeeded(sample("a.i32", "1", "1")));
    ASSERT_TRUE(succeeded(sample("b.i32", "1", "2")));
    ASSERT_TRUE(succeeded(sample("c.i32", "2", "1")));
    EXPECT_EQ(content(folder / "a.i32").size(), 4u * 32 * 4);
    EXPECT_EQ(content(folder / "a.i32"), content(folder / "b.i32"));
    EXPECT_NE(content(folder / "a.i32"), content(folder / "c.i32"));
    EXPECT_EQ(evaluate({"--tokens", path("a.i32"), "--window", "32"})["windows"], 4);
}

}  // namespace
}  // namespace hb::test
