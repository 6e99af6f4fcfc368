// SPDX-License-Identifier: Apache-2.0
// quantize from end to end on a tiny random model: every scheme with every recipe, and what must
// not change or must be refused.
#include <cmath>

#include "recipes/recipe.hpp"
#include "schemes/scheme.hpp"
#include "tiny_model.hpp"

namespace hb::test {
namespace {

class Quantize : public ::testing::Test {
protected:
    void SetUp() override {
        write_tiny_model(folder / "model");
        put(folder / "text.txt", tiny_text(4000));
    }

    std::vector<std::string> command(const std::string& out, const std::string& scheme,
                                     const std::string& recipe,
                                     const std::vector<std::string>& more = {}) const {
        std::vector<std::string> all = {"quantize",
                                        model(),
                                        path(out),
                                        "--scheme",
                                        scheme,
                                        "--recipe",
                                        recipe,
                                        "--calibration",
                                        path("text.txt"),
                                        "--sequences",
                                        "8",
                                        "--sequence-length",
                                        "64",
                                        "--threads",
                                        "1"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    std::string path(const std::string& name) const { return (folder / name).string(); }
    std::string model() const { return path("model"); }

    TemporaryFolder folder;
};

class EverySchemeAndRecipe
    : public Quantize,
      public ::testing::WithParamInterface<std::tuple<std::string, std::string>> {};

TEST_P(EverySchemeAndRecipe, GivesAModelThatLoadsAndMeasures) {
    const auto [scheme, recipe] = GetParam();
    const Ran ran = run(command("out", scheme, recipe, {"--json", path("quantize.json")}));
    ASSERT_TRUE(succeeded(ran));
    const Json result = json_in(folder / "quantize.json");
    for (const char* key : {"seconds", "peak_rss_bytes", "flops"})
        EXPECT_TRUE(result[key].is_number()) << key;
    ASSERT_EQ(result["layers"].size(), 7u * kLayers);
    for (const Json& layer : result["layers"]) {
        EXPECT_GT(layer["weight_mse"].get<double>(), 1e-5) << layer;
        EXPECT_LT(layer["weight_mse"].get<double>(), 0.1) << layer;
    }
    for (const char* name : {"config.json", "model.safetensors", "tokenizer.json",
                             "tokenizer_config.json", "README.md", "run.json"})
        EXPECT_TRUE(fs::exists(folder / "out" / name)) << name;

    ASSERT_TRUE(succeeded(run({"inspect", path("out"), "--json", path("inspect.json")})));
    const Json inspected = json_in(folder / "inspect.json");
    EXPECT_EQ(inspected["scheme"], scheme);
    const double rows = find_scheme(scheme).by_row() ? 16.0 / kHidden : 0;  // their scales
    EXPECT_NEAR(inspected["linears"]["bits_per_weight"].get<double>(),
                find_scheme(scheme).bits_per_weight() + rows, 0.05);

    ASSERT_TRUE(succeeded(
        run({"eval", path("out"), "--text", path("text.txt"), "--window", "64", "--reference",
             model(), "--kl-stride", "4", "--threads", "1", "--json", path("eval.json")})));
    const Json measured = json_in(folder / "eval.json");
    EXPECT_GT(measured["kl"].get<double>(), 0);
    EXPECT_LT(measured["kl"].get<double>(), 2);
    EXPECT_TRUE(std::isfinite(measured["perplexity"].get<double>()));
}

std::vector<std::string> scheme_names() {
    std::vector<std::string> names;
    for (const Scheme& scheme : all_schemes()) names.emplace_back(scheme.name);
    return names;
}

std::vector<std::string> recipe_names() {
    std::vector<std::string> names;
    for (const Recipe& recipe : all_recipes()) names.emplace_back(recipe.name);
    return names;
}

INSTANTIATE_TEST_SUITE_P(Tiny, EverySchemeAndRecipe,
                         ::testing::Combine(::testing::ValuesIn(scheme_names()),
                                            ::testing::ValuesIn(recipe_names())),
                         [](const auto& test) {
                             std::string name =
                                 std::get<0>(test.param) + "_" + std::get<1>(test.param);
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

// Down of its own scheme, seen by every command that reads the folder.
TEST_F(Quantize, SeveralSchemesInOneModel) {
    ASSERT_TRUE(succeeded(
        run(command("out", "nvfp4", "gptq",
                    {"--scheme-for", "re:.*down_proj=fp8", "--scheme-for", "re:.*o_proj=int8"}))));
    ASSERT_TRUE(succeeded(run({"inspect", path("out"), "--json", path("inspect.json")})));
    const Json told = json_in(folder / "inspect.json");
    EXPECT_EQ(told["scheme"], "fp8 + int8 + nvfp4");
    EXPECT_EQ(told["groups"][0]["targets"], Json({"re:.*down_proj"}));
    ASSERT_TRUE(succeeded(run({"doctor", path("out")})));
    ASSERT_TRUE(succeeded(run({"bench", path("out"), "-p", "8", "-n", "2", "--repeat", "1",
                               "--threads", "1", "--json", path("bench.json")})));
    EXPECT_EQ(json_in(folder / "bench.json")["scheme"], "fp8 + int8 + nvfp4");
    ASSERT_TRUE(succeeded(run({"run", path("out"), "-p", "the rest", "-n", "4"})));
    ASSERT_TRUE(succeeded(run({"eval", path("out"), "--text", path("text.txt"), "--window", "64",
                               "--reference", model(), "--json", path("eval.json")})));
    EXPECT_LT(json_in(folder / "eval.json")["kl"].get<double>(), 1);
    ASSERT_TRUE(
        succeeded(run({"convert", path("out"), path("bf16"), "--to", "bf16", "--allow-loss"})));
    EXPECT_EQ(run({"convert", path("out"), path("x.gguf"), "--to", "gguf"}).status, 1);
    EXPECT_EQ(run(command("no", "nvfp4", "gptq", {"--scheme-for", "re:.*q_proj=fp8"})).status, 1);
}

TEST_F(Quantize, ThreadsAndRepetitionChangeNoByte) {
    ASSERT_TRUE(succeeded(run(command("one", "nvfp4", "mr-gptq"))));
    ASSERT_TRUE(succeeded(run(command("again", "nvfp4", "mr-gptq"))));
    ASSERT_TRUE(succeeded(run(command("two", "nvfp4", "mr-gptq", {"--threads=2"}))));
    ASSERT_TRUE(succeeded(run(command("disk", "nvfp4", "mr-gptq", {"--activations", "disk"}))));
    EXPECT_EQ(tree(folder / "one"), tree(folder / "again"));
    EXPECT_EQ(tree(folder / "one"), tree(folder / "two"));
    EXPECT_EQ(tree(folder / "one"), tree(folder / "disk"));
}

TEST_F(Quantize, NeedsNoDataSet) {
    const Ran ran = run({"quantize", model(), path("out"), "--scheme", "mxfp4", "--recipe",
                         "mr-gptq", "--threads", "2"});
    ASSERT_TRUE(succeeded(ran));
    EXPECT_EQ(json_in(folder / "out" / "run.json")["calibration"]["sequences"], 32);
}

TEST_F(Quantize, DryRunWritesNothingAndPredicts) {
    const Ran ran =
        run(command("out", "mxfp4", "mr-gptq", {"--dry-run", "--json", path("plan.json")}));
    ASSERT_TRUE(succeeded(ran));
    EXPECT_FALSE(fs::exists(folder / "out"));
    const Json plan = json_in(folder / "plan.json");
    for (const char* key : {"seconds", "peak_rss_bytes", "output_bytes"})
        EXPECT_GT(plan[key].get<double>(), 0) << key;
    EXPECT_NE(ran.out.find("predicted time"), std::string::npos);
}

TEST_F(Quantize, ResumeOnNothingStartsAndOnAFinishedOutputIsDone) {
    ASSERT_TRUE(succeeded(run(command("out", "nvfp4", "gptq", {"--resume"}))));
    const auto before = tree(folder / "out");
    const Ran again =
        run(command("out", "nvfp4", "gptq", {"--resume", "--json", path("again.json")}));
    EXPECT_TRUE(succeeded(again));
    EXPECT_EQ(tree(folder / "out"), before);
}

TEST_F(Quantize, RefusesWhatItWouldOverwriteOrMix) {
    ASSERT_TRUE(succeeded(run(command("out", "nvfp4", "rtn"))));
    const auto before = tree(folder / "out");
    EXPECT_TRUE(run(command("out", "nvfp4", "rtn")).failed_in_one_line());
    EXPECT_TRUE(run(command("out", "mxfp4", "rtn", {"--resume"})).failed_in_one_line());
    EXPECT_TRUE(run(command("out", "nvfp4", "gptq", {"--resume"})).failed_in_one_line());
    EXPECT_TRUE(run(command("out", "nvfp4", "rtn", {"--resume", "--transform", "hadamard:16"}))
                    .failed_in_one_line());
    write_tiny_model(folder / "model", 2);
    EXPECT_TRUE(run(command("out", "nvfp4", "rtn", {"--resume"})).failed_in_one_line());
    EXPECT_EQ(tree(folder / "out"), before);
}

TEST_F(Quantize, AChangedTextIsRefusedOnResume) {
    ASSERT_TRUE(succeeded(run(command("out", "nvfp4", "gptq"))));
    put(folder / "text.txt", tiny_text(3000));
    EXPECT_TRUE(run(command("out", "nvfp4", "gptq", {"--resume"})).failed_in_one_line());
}

TEST_F(Quantize, UnknownNamesListTheKnownOnes) {
    const Ran scheme = run(command("out", "fp4", "rtn")),
              recipe = run(command("out", "nvfp4", "awq"));
    const Ran rule = run(command("out", "nvfp4", "rtn", {"--weight-scales", "ocp"}));
    const Ran transform = run(command("out", "nvfp4", "rtn", {"--transform", "fourier:16"}));
    for (const auto& [ran, known] : {std::pair{scheme, "nvfp4a16"},
                                     {recipe, "mr-gptq"},
                                     {rule, "four-over-six"},
                                     {transform, "hadamard"}}) {
        EXPECT_TRUE(ran.failed_in_one_line());
        EXPECT_NE(ran.err.find(known), std::string::npos) << ran.err;
    }
    EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST_F(Quantize, RefusesWhatCannotBe) {
    const std::vector<std::vector<std::string>> cases = {
        {"--ignore", "re:.*no_such_layer"}, {"--ignore", "re:(unclosed"},
        {"--transform", "hadamard:48"},     {"--transform", "hadamard:512"},
        {"--transform", "hadamard:"},       {"--activation-scales", "mse"}};
    for (const auto& more : cases) {
        EXPECT_TRUE(run(command("out", "nvfp4", "rtn", more)).failed_in_one_line()) << more[1];
        EXPECT_TRUE(run(command("out", "nvfp4", "rtn", {more[0], more[1], "--dry-run"}))
                        .failed_in_one_line())
            << more[1];
    }
    put(folder / "text.txt", "");
    EXPECT_TRUE(run(command("out", "nvfp4", "gptq")).failed_in_one_line());
    EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST_F(Quantize, IgnoredLayersStayDense) {
    ASSERT_TRUE(succeeded(
        run(command("out", "nvfp4", "gptq",
                    {"--ignore", "re:.*down_proj", "--ignore", "model.layers.0.mlp.up_proj"}))));
    ASSERT_TRUE(succeeded(run({"inspect", path("out"), "--json", path("inspect.json")})));
    const Json inspected = json_in(folder / "inspect.json");
    int dense = 0;
    for (const Json& tensor : inspected["tensors"])
        dense += tensor["name"].get<std::string>().ends_with("_proj.weight") &&
                 tensor["dtype"] == "BF16";
    EXPECT_EQ(dense, 3);
}

}  // namespace
}  // namespace hb::test
