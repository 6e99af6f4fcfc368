// SPDX-License-Identifier: Apache-2.0
// Several schemes in one model: each linear gets what it would get if its scheme were the only one
// as far as its inputs allow, files say what was done, and what clients could not load is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calibration/quantize_model.hpp"
#include "cli/tiny_model.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "engine/decoder.hpp"
#include "io/quantization_config.hpp"

namespace hb {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

class Mixed : public testing::Test {
protected:
    fs::path folder =
        fs::path(testing::TempDir()) /
        ("hb_mixed_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    void SetUp() override {
        fs::remove_all(folder);
        test::write_tiny_model(folder / "model");
        std::string tokens(4 * 8 * 40, '\0');
        for (std::size_t i = 0; i < tokens.size(); i += 4)
            tokens[i] = static_cast<char>(i * i / 7 % test::kVocab);
        write_file(folder / "tokens.i32", tokens);
    }
    void TearDown() override { fs::remove_all(folder); }

    QuantizeOptions options(const std::string& out, const std::string& scheme,
                            std::vector<std::string> scheme_for,
                            const std::string& recipe = "rtn") const {
        QuantizeOptions o;
        o.model = folder / "model";
        o.out = folder / out;
        o.scheme = scheme;
        o.scheme_for = std::move(scheme_for);
        o.recipe = recipe;
        o.calibration = folder / "tokens.i32";
        o.sequences = 8;
        o.sequence_length = 40;
        o.threads = 2;
        return o;
    }
    fs::path made(const QuantizeOptions& o) const {
        quantize_model(o, {});
        return o.out;
    }
    void expect_refused(const std::vector<std::string>& scheme_for, const char* a, const char* b) {
        EXPECT_THAT([&] { quantize_model(options("no", "nvfp4", scheme_for), {}); },
                    ThrowsMessage<Error>(AllOf(HasSubstr(a), HasSubstr(b), Not(HasSubstr("\n")))));
        EXPECT_FALSE(fs::exists(folder / "no"));
    }
};

constexpr const char* kSchemes[] = {"mxfp4",    "nvfp4",     "mxfp4a16", "nvfp4a16", "int4g32",
                                    "int4g128", "int4g128a", "int8",     "fp8"};

// RTN looks at no input: every weight is the one of the model that has its scheme alone.
TEST_F(Mixed, WeightsAreThoseOfEachSchemeAlone) {
    for (const char* scheme : kSchemes) made(options(std::string("all-") + scheme, scheme, {}));
    constexpr std::size_t kCount = std::size(kSchemes);
    for (std::size_t i = 0; i < kCount; ++i) {
        for (const std::size_t step : {1, 4}) {  // all pairs take long
            const char *a = kSchemes[i], *b = kSchemes[(i + step) % kCount];
            const auto out = made(options(std::string(a) + "-" + b, a,
                                          {"re:.*self_attn.*=" + std::string(b),
                                           "model.layers.1.mlp.down_proj=" + std::string(b)}));
            const auto mixed = Checkpoint::open(out.string());
            const auto only_a = Checkpoint::open((folder / (std::string("all-") + a)).string());
            const auto only_b = Checkpoint::open((folder / (std::string("all-") + b)).string());
            std::size_t seen = 0;
            for (const TensorInfo& info : mixed.tensors()) {
                const bool second = info.name.find("self_attn") != info.name.npos ||
                                    info.name.find("layers.1.mlp.down") != info.name.npos;
                const auto& from = second ? only_b : only_a;
                ASSERT_TRUE(from.has(info.name)) << a << " " << b << " " << info.name;
                EXPECT_EQ(from.find(info.name)->dtype, info.dtype);
                if (info.name.ends_with("input_global_scale")) continue;  // of other inputs
                EXPECT_EQ(from.read_bytes(info.name), mixed.read_bytes(info.name)) << info.name;
                ++seen;
            }
            EXPECT_GE(seen, 3 + 2 * (2 + 7 * 2));
            Threads threads(1);
            for (const Block& block : load_decoder(mixed, threads).blocks)
                for (const Linear& linear : block.linears)
                    EXPECT_TRUE(linear.quantized && linear.ready());
        }
    }
}

TEST_F(Mixed, EverythingByPatternsIsTheSchemeItself) {
    for (const char* scheme : {"mxfp4", "fp8"}) {
        const auto whole = made(options(std::string("whole-") + scheme, scheme, {}, "mr-gptq"));
        const auto parts = made(options(
            std::string("parts-") + scheme, "int4g32",
            {"re:.*self_attn.*=" + std::string(scheme), "re:.*mlp.*=" + std::string(scheme)},
            "mr-gptq"));
        EXPECT_EQ(read_file(whole / "model.safetensors"), read_file(parts / "model.safetensors"));
    }
}

TEST_F(Mixed, OrderOfOptionsChangesNoByte) {
    const std::vector<std::string> one{"re:.*down_proj=fp8", "re:.*o_proj=int8",
                                       "model.layers.0.mlp.down_proj=mxfp4"};
    const auto a = made(options("a", "nvfp4", one, "mr-gptq"));
    const auto b = made(options("b", "nvfp4", {one[2], one[1], one[0]}, "mr-gptq"));
    for (const char* file : {"model.safetensors", "config.json", "run.json", "README.md"})
        EXPECT_EQ(read_file(a / file), read_file(b / file)) << file;
    const auto c = quantization_config_of(Json::parse(read_file(a / "config.json")));
    EXPECT_EQ(c->schemes(), "mxfp4 + fp8 + int8 + nvfp4");
    EXPECT_EQ(c->groups.back().targets, std::vector<std::string>{"Linear"});
    EXPECT_EQ(c->group_of("model.layers.0.mlp.down_proj").scheme->name, "mxfp4");
    EXPECT_EQ(c->group_of("model.layers.1.mlp.down_proj").scheme->name, "fp8");
}

// Of a site the recipe's for its scheme; of a site with several that of --scheme.
TEST_F(Mixed, SitesAreTransformedAsTheirSchemesAre) {
    const auto config = [&](const QuantizeOptions& o) {
        return *quantization_config_of(Json::parse(read_file(made(o) / "config.json")));
    };
    auto o = options("a", "nvfp4", {"re:.*down_proj=fp8"}, "mr-gptq");
    auto c = config(o);
    EXPECT_EQ(c.qkv + c.o + c.gate_up, "hadamard:16hadamard:16hadamard:16");
    EXPECT_EQ(c.down, "none");
    c = config(options("b", "nvfp4", {"model.layers.0.mlp.down_proj=fp8"}, "mr-gptq"));
    EXPECT_EQ(c.down, "hadamard:16");
    c = config(options("c", "fp8", {"re:.*mlp.(gate|up)_proj=nvfp4"}, "mr-gptq"));
    EXPECT_EQ(c.gate_up, "hadamard:16");
    EXPECT_EQ(c.qkv + c.o + c.down, "nonenonenone");
    o.out = folder / "d";
    o.transform = "hadamard:32";
    EXPECT_EQ(config(o).down, "hadamard:32");
    o = options("e", "fp8", {"re:.*mlp.(gate|up)_proj=nvfp4"}, "mr-gptq");
    o.rotation = "offline";
    c = config(o);
    EXPECT_EQ(c.residual, "hadamard:16");
    EXPECT_FALSE(c.online_transform());
}

TEST_F(Mixed, RefusesWhatClientsWouldNotLoad) {
    expect_refused({"re:.*q_proj=fp8"}, "q_proj' would be fp8", "fuse");
    expect_refused({"model.layers.1.mlp.up_proj=fp8"}, "layers.1.mlp.gate_proj' would be nvfp4",
                   "fuse");
    expect_refused({"re:.*down_proj=fp8", "re:.*mlp.*=int8"}, "'re:.*down_proj' (fp8)",
                   "'re:.*mlp.*' (int8)");
    expect_refused({"re:.*vision.*=fp8"}, "re:.*vision.*", "matches no linear layer");
    expect_refused({"lm_head=fp8"}, "lm_head", "matches no linear layer");
    expect_refused({"re:.*down_proj"}, "re:.*down_proj", "TARGET=SCHEME");
    expect_refused({"re:.*down_proj=fp5"}, "fp5", "choose one of");
    expect_refused({"re:(=fp8"}, "re:(", "not a regular expression");
    expect_refused({"re:.*down_proj=fp8", "re:.*down_proj=fp8"}, "re:.*down_proj", "twice");
}

TEST_F(Mixed, TellsWhatVllmWouldTakeForAnother) {
    const auto notice = [&](const std::vector<std::string>& scheme_for) {
        std::string text;
        QuantizeHooks hooks;
        hooks.notice = [&](const std::string& line) { text += line; };
        auto o = options("n", "nvfp4", scheme_for);
        quantize_model(o, hooks);
        fs::remove_all(o.out);
        return text;
    };
    for (const char* fine : {"re:.*self_attn.*=fp8", "re:.*(q|k|v)_proj=fp8", "re:.*down_proj=fp8",
                             "re:.*(gate|up)_proj=fp8", "model.layers.0.self_attn.o_proj=fp8"})
        EXPECT_EQ(notice({fine}), "") << fine;
    EXPECT_THAT(notice({"re:.*self_attn.[qkv]_proj=fp8"}),
                AllOf(HasSubstr("layers.0.self_attn.qkv_proj"), HasSubstr("fp8")));
    EXPECT_THAT(notice({"model.layers.1.mlp.gate_proj=mxfp4", "model.layers.1.mlp.up_proj=mxfp4"}),
                AllOf(HasSubstr("layers.1.mlp.gate_up_proj"), HasSubstr("nvfp4")));
}

TEST_F(Mixed, LinearsLeftDenseMayBeNamed) {
    auto o = options("a", "nvfp4", {"re:.*self_attn.[kv]_proj=fp8"});
    o.ignore = {"re:.*q_proj"};
    const auto out = Checkpoint::open(made(o).string());
    EXPECT_EQ(out.find("model.layers.0.self_attn.q_proj.weight")->dtype, "BF16");
    EXPECT_EQ(out.find("model.layers.0.self_attn.k_proj.weight")->dtype, "F8_E4M3");
}

TEST_F(Mixed, ThePlanCountsEachWeightInItsScheme) {
    const auto bytes = [&](const std::string& scheme, std::vector<std::string> others) {
        return plan_quantization(options("p", scheme, std::move(others)))["output_bytes"]
            .get<double>();
    };
    const double all4 = bytes("mxfp4", {}), all8 = bytes("fp8", {}),
                 down8 = bytes("mxfp4", {"re:.*down_proj=fp8"});
    const double down = 2. * test::kHidden * test::kIntermediate;
    EXPECT_EQ(down8 - all4, down * (8 - 4.25) / 8);
    EXPECT_LT(down8, all8);
    const Json run =
        Json::parse(read_file(made(options("q", "mxfp4", {"re:.*down_proj=fp8"})) / "run.json"));
    EXPECT_EQ(run["scheme"], "mxfp4");
    EXPECT_EQ(run["scheme_for"], Json({{"re:.*down_proj", "fp8"}}));
    constexpr double kOthers = 128 * 128 * 2 + 128 * 64 * 2 + 128 * 256 * 2, kDown = 128 * 256;
    EXPECT_DOUBLE_EQ(run["bits_per_weight"].get<double>(),
                     (kOthers * 4.25 + kDown * 8) / (kOthers + kDown));
    EXPECT_THAT(read_file(folder / "q/README.md"),
                AllOf(HasSubstr("mxfp4 and fp8"), HasSubstr("scheme of `re:.*down_proj`")));
}

}  // namespace
}  // namespace hb
