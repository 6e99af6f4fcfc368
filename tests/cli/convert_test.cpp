// SPDX-License-Identifier: Apache-2.0
// halfbyte convert as a command, and a converted model in the engine: the logits are those of the
// folder that it was made from.
#include "layouts/convert.hpp"
#include "core/error.hpp"
#include "engine/generate.hpp"
#include "engine/logits.hpp"
#include "layouts/random_model.hpp"
#include "tiny_model.hpp"

namespace hb::test {
namespace {

Matrix<float> logits_of(const fs::path& model) {
    const std::int32_t ids[] = {1, 7, 30, 2, 2, 19, 11, 4, 0, 28, 16, 9};
    return window_logits(Checkpoint::open(model.string()), ids);
}

class Converted : public testing::TestWithParam<const char*> {
protected:
    void make(const std::string& scheme, const char* layout, const char* out,
              float mx_divisor = 1) {  // "nvfp4+fp8": the second for down
        ModelOptions o;
        o.shape.type = GetParam();
        const auto plus = scheme.find('+');
        o.scheme = scheme.substr(0, plus);
        if (plus != scheme.npos) o.scheme_for = {{"re:.*down_proj", scheme.substr(plus + 1)}};
        o.extreme = false;
        o.shared = true;
        o.mx_divisor = mx_divisor;
        write_model(folder / "in", o);
        convert((folder / "in").string(), folder / out, find_layout(layout), {});
    }
    TemporaryFolder folder;
};

TEST_P(Converted, GivesTheLogitsOfItsSource) {
    for (const char* scheme : {"nvfp4", "mxfp4a16", "nvfp4+mxfp4", "mxfp4a16+nvfp4"}) {
        fs::remove_all(folder / "in");
        fs::remove_all(folder / "out.gguf");
        make(scheme, "gguf", "out.gguf");
        EXPECT_EQ(logits_of(folder / "out.gguf").values, logits_of(folder / "in").values) << scheme;
    }
}

TEST_P(Converted, FpQuantAndModelOptGiveTheLogitsToo) {
    make("nvfp4", "modelopt", "modelopt");
    EXPECT_EQ(logits_of(folder / "modelopt").values, logits_of(folder / "in").values);
    fs::remove_all(folder / "in");
    make("mxfp4", "fp-quant", "fp-quant", 3);
    EXPECT_EQ(logits_of(folder / "fp-quant").values, logits_of(folder / "in").values);
}

TEST_P(Converted, OfSeveralSchemesTheLayoutHalfbyteDoes) {
    for (const char* scheme : {"nvfp4+fp8", "int8+mxfp4", "fp8+int4g32"}) {
        fs::remove_all(folder / "in");
        fs::remove_all(folder / "out");
        make(scheme, "halfbyte", "out");
        EXPECT_EQ(logits_of(folder / "out").values, logits_of(folder / "in").values) << scheme;
    }
}

// What other readers see: without our own keys the file still says all, the frequencies of RoPE and
// the factors in fp32, so that the logits move by some roundings of fp32.
TEST_P(Converted, SaysAllInTheKeysThatEveryReaderKnows) {
    for (const char* scheme : {"nvfp4a16", "nvfp4a16+mxfp4a16"}) {
        fs::remove_all(folder / "in");
        fs::remove_all(folder / "out.gguf");
        make(scheme, "gguf", "out.gguf");
        std::string file = content(folder / "out.gguf");
        for (std::size_t at = 0; (at = file.find("halfbyte.", at)) != std::string::npos; ++at)
            file.replace(at, 9, "somebody.");
        put(folder / "foreign.gguf", file);
        EXPECT_LT(relative_difference(logits_of(folder / "in").values,
                                      logits_of(folder / "foreign.gguf").values),
                  1e-5)
            << scheme;
    }
}

INSTANTIATE_TEST_SUITE_P(Every, Converted, testing::Values("llama", "qwen2", "qwen3"));

class Convert : public testing::Test {
protected:
    void SetUp() override {
        write_tiny_model(folder / "model");
        ASSERT_TRUE(succeeded(run({"quantize", path("model"), path("in"), "--scheme", "nvfp4",
                                   "--recipe", "rtn", "--transform", "none", "--threads", "1"})));
    }
    std::string path(const std::string& name) const { return (folder / name).string(); }
    std::string text(const std::string& model) const {
        const Ran ran = run({"run", path(model), "-p", "the rest", "-n", "12", "--threads", "1"});
        EXPECT_TRUE(succeeded(ran));
        return ran.out;
    }
    TemporaryFolder folder;
};

TEST_F(Convert, ProvesItselfAndTalksAsBefore) {
    const Ran ran =
        run({"convert", path("in"), path("m.gguf"), "--to", "gguf", "--json", path("proof.json")});
    ASSERT_TRUE(succeeded(ran));
    EXPECT_NE(ran.out.find("largest difference 0"), std::string::npos);
    EXPECT_NE(ran.out.find("14 linears with the same codes"), std::string::npos);
    const Json proof = json_in(folder / "proof.json");
    EXPECT_EQ(proof["tensors"], 3 + 9 * kLayers);
    EXPECT_EQ(proof["largest_difference"], 0);
    EXPECT_EQ(proof["digest_in"], proof["digest_out"]);
    EXPECT_EQ(text("m.gguf"), text("in"));
    ASSERT_TRUE(
        succeeded(run({"convert", path("m.gguf"), path("back"), "--to", "compressed-tensors"})));
    EXPECT_EQ(content(folder / "back/model.safetensors"), content(folder / "in/model.safetensors"));
    EXPECT_EQ(text("back"), text("in"));
}

TEST_F(Convert, CarriesTheTokenizerAndTheTemplate) {
    ASSERT_TRUE(succeeded(run({"convert", path("in"), path("m.gguf"), "--to", "gguf"})));
    const auto before = Checkpoint::open(path("in")), after = Checkpoint::open(path("m.gguf"));
    const Json a = Json::parse(*before.asset("tokenizer.json"));
    const Json b = Json::parse(*after.asset("tokenizer.json"));
    EXPECT_EQ(a["pre_tokenizer"], b["pre_tokenizer"]);
    EXPECT_EQ(a["added_tokens"], b["added_tokens"]);
    for (const auto& [token, id] : a["model"]["vocab"].items())
        EXPECT_EQ(b["model"]["vocab"][token], id) << token;
    EXPECT_EQ(a["model"]["merges"].size(), b["model"]["merges"].size());
    const Json c = Json::parse(*before.asset("tokenizer_config.json"));
    const Json d = Json::parse(*after.asset("tokenizer_config.json"));
    for (const auto& [name, value] : c.items()) EXPECT_EQ(d[name], value) << name;
}

TEST_F(Convert, RefusesInOneLine) {
    const auto refused = [&](const std::vector<std::string>& arguments, const char* message) {
        const Ran ran = run(arguments);
        EXPECT_EQ(ran.status, 1);
        EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
        EXPECT_NE(ran.err.find(message), std::string::npos) << ran.err;
    };
    refused({"convert", path("in"), path("x"), "--to", "awq"}, "unknown layout 'awq'");
    refused({"convert", path("in"), path("x"), "--to", "bf16"}, "--allow-loss");
    refused({"convert", path("model"), path("x"), "--to", "modelopt"}, "no linear layer");
    put(folder / "in/tokenizer.json", R"({"model":{"type":"Unigram","vocab":[]}})");
    refused({"convert", path("in"), path("x.gguf"), "--to", "gguf"}, "no byte-level BPE");
    put(folder / "in/tokenizer.json", "{");
    refused({"convert", path("in"), path("x.gguf"), "--to", "gguf"}, "not valid JSON");
    fs::remove(folder / "in/tokenizer.json");
    const Ran ran = run({"convert", path("in"), path("x.gguf"), "--to", "gguf"});
    ASSERT_TRUE(succeeded(ran));
    EXPECT_NE(ran.out.find("no tokenizer"), std::string::npos);
}

TEST_F(Convert, RoundingIsAllowedByNameAndItsLossIsTold) {
    const Ran ran = run({"convert", path("in"), path("dense"), "--to", "bf16", "--allow-loss",
                         "--json", path("loss.json")});
    ASSERT_TRUE(succeeded(ran));
    EXPECT_NE(ran.out.find("relative loss"), std::string::npos);
    EXPECT_GT(json_in(folder / "loss.json")["relative_difference"].get<double>(), 0);
    text("dense");
    ASSERT_TRUE(succeeded(run({"convert", path("in"), path("q8.gguf"), "--to", "gguf", "--head",
                               "q8_0", "--allow-loss"})));
    EXPECT_EQ(Checkpoint::open(path("q8.gguf")).find("model.embed_tokens.weight")->stored_type,
              "Q8_0");
    text("q8.gguf");
}

}  // namespace
}  // namespace hb::test
