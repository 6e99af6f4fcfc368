// SPDX-License-Identifier: Apache-2.0
// Quantizing with balanced channels: what is written is a plain checkpoint near the model it was
// made from, threads and interruptions change no byte, and what is balanced is balanced.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "calibration/channel_energies.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/float_bits.hpp"
#include "core/random.hpp"
#include "engine/logits.hpp"
#include "io/temporary_folder.hpp"
#include "model/model_tensors.hpp"

namespace hb {
namespace {

namespace fs = std::filesystem;

struct Stop {};

class Balanced : public testing::Test {
protected:
    void SetUp() override {
        Random random{3, 0};
        for (auto& token : tokens.values) token = static_cast<std::int32_t>(random.bits() % 64);
        folder.put("tokens.i32",
                   {reinterpret_cast<const char*>(tokens.values.data()), tokens.values.size() * 4});
    }
    QuantizeOptions options(const std::string& out, const std::string& model = "qwen2",
                            const std::string& scheme = "nvfp4") const {
        QuantizeOptions o;
        o.model = std::string(HALFBYTE_TESTS_DIR) + "/engine/golden/" + model;
        o.out = folder.path / out;
        o.scheme = scheme;
        o.transform = "hadamard:8";
        o.channels = "balanced";
        o.calibration = folder.path / "tokens.i32";
        o.sequences = 8;
        o.sequence_length = 40;
        o.threads = 2;
        return o;
    }
    std::vector<ChannelScales> scales(const QuantizeOptions& o, const Checkpoint& model,
                                      const char* table = nullptr) const {
        const Settings settings = make_settings(o, model);
        Threads threads(o.threads);
        return balancing_scales(settings, model, table ? find_kernels(table) : pick_kernels(),
                                threads, tokens.view(), [](std::int64_t) {});
    }
    void refuses(const QuantizeOptions& o, const char* message) const {
        EXPECT_THAT([&] { quantize_model(o, {}); },
                    testing::ThrowsMessage<Error>(testing::HasSubstr(message)));
        EXPECT_THROW(plan_quantization(o), Error);
        EXPECT_FALSE(fs::exists(o.out));
    }
    TemporaryFolder folder;
    Matrix<std::int32_t> tokens = Matrix<std::int32_t>(8, 40);
};

Matrix<float> logits_of(const std::string& model) {
    const std::int32_t ids[] = {1, 7, 30, 2, 2, 19, 11, 4, 0, 28, 16, 9};
    return window_logits(Checkpoint::open(model), ids);
}

std::map<std::string, std::string> files(const fs::path& root) {
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(root))
        if (entry.is_regular_file())
            found[fs::relative(entry.path(), root).string()] = read_file(entry.path());
    return found;
}

// 8 bits lose a few percent of these random models; a tensor scaled wrongly loses all.
TEST_F(Balanced, WritesAModelNearTheOneItWasMadeFrom) {
    for (const std::string model : {"llama", "llama31", "mistral", "qwen2", "qwen3"}) {
        for (const std::string transform : {"none", "hadamard:8"}) {
            auto o = options(model + transform.substr(0, 4), model, "int8");
            o.transform = transform;
            const Matrix<float> wanted = logits_of(o.model);
            quantize_model(o, {});
            const Json run = Json::parse(read_file(o.out / "run.json")),
                       config = Checkpoint::open(o.out.string()).config();
            EXPECT_EQ(run["channels"], "balanced");
            EXPECT_EQ(config["quantization_config"]["quant_method"],
                      transform == "none" ? "compressed-tensors" : "halfbyte");
            EXPECT_LT(relative_difference(wanted.values, logits_of(o.out.string()).values), 0.1)
                << model << transform;
        }
    }
}

TEST_F(Balanced, ThreadsAndInterruptionsChangeNoByte) {
    for (const std::string scheme : {"nvfp4", "mxfp4"}) {
        for (const std::string recipe : {"mr-gptq", "rtn"}) {
            auto whole = options("whole" + scheme + recipe, "qwen2", scheme);
            whole.recipe = recipe;
            whole.ignore = {"re:.*layers.1.self_attn.o_proj"};
            if (scheme == "mxfp4") whole.ignore.push_back("re:.*down_proj");  // 48 inputs
            quantize_model(whole, {});
            auto o = whole;
            o.out = folder.path / ("cut" + scheme + recipe);
            o.threads = 1;
            int seen = 0;
            QuantizeHooks hooks;
            hooks.progress = [&](const Progress& p) {
                if (p.stage == "block 1: gate_up" && ++seen == 1) throw Stop{};
            };
            EXPECT_THROW(quantize_model(o, hooks), Stop);
            o.resume = true;
            quantize_model(o, hooks);
            EXPECT_EQ(files(whole.out), files(o.out));
        }
    }
}

TEST_F(Balanced, OtherChannelsAreRefusedOnResume) {
    auto o = options("o");
    quantize_model(o, {});
    o.resume = true;
    o.channels = "plain";
    EXPECT_THAT([&] { quantize_model(o, {}); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("\"channels\" was \"balanced\"")));
}

TEST_F(Balanced, RefusesWhatCannotBeBalanced) {
    auto o = options("o");
    o.channels = "sideways";
    refuses(o, "plain or balanced");
    o.channels = "balanced";
    o.rotation = "offline";
    refuses(o, "folds the norms' weights away");
}

// Where the scales of one input do not change the weights of another, doing it again changes
// nothing but what the raise by 1 % leaves.
TEST_F(Balanced, IsBalancedAfterwards) {
    for (const std::string name : {"llama31", "qwen2", "qwen3"}) {
        for (const bool late : {true, false}) {
            auto o = options("o", name);
            o.ignore = late ? std::vector<std::string>{"re:.*(q|k|v|gate|up)_proj"}
                            : std::vector<std::string>{"re:.*(o|down)_proj"};
            const auto first = scales(o, Checkpoint::open(o.model));
            const Checkpoint model = balance_channels(Checkpoint::open(o.model), first,
                                                      [](const std::string&) { return true; });
            const auto again = scales(o, model);
            for (std::size_t layer = 0; layer < 2; ++layer) {
                for (std::size_t site = 0; site < 4; ++site) {
                    ASSERT_EQ(first[layer][site].empty(), late == (site % 2 == 0));
                    double before = 0, after = 0;
                    for (const float d : first[layer][site]) before += std::pow(std::log(d), 2);
                    for (const float d : again[layer][site]) after += std::pow(std::log(d), 2);
                    EXPECT_LE(after, 0.01 * before) << name << layer << site;
                }
            }
        }
    }
}

TEST_F(Balanced, TakesTheEnergiesOfTheFirstInputAsWritten) {
    const auto o = options("o", "llama31");
    const Checkpoint model = Checkpoint::open(o.model);
    const ModelConfig config = model_config(model);
    const auto n = static_cast<std::size_t>(config.hidden);
    const Matrix<float> rows = model.read("model.embed_tokens.weight", config.vocab, config.hidden),
                        g = model.read("model.layers.0.input_layernorm.weight", 1, config.hidden);
    std::vector<double> inputs(n), weights(n);
    for (const auto token : tokens.values) {
        double energy = 0;
        for (std::int64_t c = 0; c < config.hidden; ++c) energy += std::pow(rows(token, c), 2);
        for (std::size_t c = 0; c < n; ++c)
            inputs[c] += std::pow(rows(token, static_cast<std::int64_t>(c)) * g.values[c], 2) /
                         (energy / static_cast<double>(n) + config.norm_eps);
    }
    for (const std::string name : {"q", "k", "v"}) {
        const std::int64_t out = (name == "q" ? config.heads : config.kv_heads) * config.head_dim;
        const Matrix<float> w =
            model.read("model.layers.0.self_attn." + name + "_proj.weight", out, config.hidden);
        for (std::int64_t r = 0; r < out; ++r)
            for (std::size_t c = 0; c < n; ++c)
                weights[c] += std::pow(w(r, static_cast<std::int64_t>(c)), 2);
    }
    const auto wanted = balance(inputs, weights);
    for (const char* table : {"ref", "avx2"}) {
        const auto got = scales(o, model, table)[0][0];
        ASSERT_EQ(got.size(), n);
        // Inputs in bf16: 2^-9 of each.
        for (std::size_t c = 0; c < n; ++c) EXPECT_NEAR(got[c] / wanted[c], 1, 1e-3);
    }
}

}  // namespace
}  // namespace hb
