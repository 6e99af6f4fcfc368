// SPDX-License-Identifier: Apache-2.0
// Quantizing with the rotation folded into the weights: what is written is a plain checkpoint near
// the model it was made from, and a run is resumed only with the rotation that it was begun with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "calibration/quantize_model.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/random.hpp"
#include "engine/logits.hpp"
#include "io/temporary_folder.hpp"

namespace hb {
namespace {

namespace fs = std::filesystem;

struct Stop {};

class Rotation : public testing::Test {
protected:
    void SetUp() override {
        Random random{3, 0};
        std::vector<std::int32_t> tokens(40 * 8);
        for (auto& token : tokens) token = static_cast<std::int32_t>(random.bits() % 64);
        folder.put("tokens.i32", {reinterpret_cast<const char*>(tokens.data()), tokens.size() * 4});
    }
    QuantizeOptions options(const std::string& out, const std::string& rotation,
                            const std::string& model = "qwen2",
                            const std::string& scheme = "nvfp4") const {
        QuantizeOptions o;
        o.model = std::string(HALFBYTE_TESTS_DIR) + "/engine/golden/" + model;
        o.out = folder.path / out;
        o.scheme = scheme;
        o.transform = "hadamard:8";
        o.rotation = rotation;
        o.calibration = folder.path / "tokens.i32";
        o.sequences = 8;
        o.sequence_length = 40;
        o.threads = 2;
        return o;
    }
    void refuses(const QuantizeOptions& o, const char* message) const {
        EXPECT_THAT([&] { quantize_model(o, {}); },
                    testing::ThrowsMessage<Error>(testing::HasSubstr(message)));
        EXPECT_THROW(plan_quantization(o), Error);
        EXPECT_FALSE(fs::exists(o.out));
    }
    TemporaryFolder folder;
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

// 8 bits lose a few percent of these random models; a tensor rotated wrongly loses all.
TEST_F(Rotation, WritesAModelNearTheOneItWasMadeFrom) {
    for (const std::string model : {"llama", "llama31", "mistral", "qwen2", "qwen3"}) {
        const Matrix<float> wanted = logits_of(options("", "offline", model).model);
        for (const std::string rotation : {"online", "offline", "offline+down"}) {
            const auto o = options(model + rotation, rotation, model, "int8");
            std::string said;
            QuantizeHooks hooks;
            hooks.notice = [&](const std::string& line) { said += line; };
            quantize_model(o, hooks);
            const Checkpoint out = Checkpoint::open(o.out.string());
            const bool tied = Checkpoint::open(o.model).config()["tie_word_embeddings"],
                       online = rotation == "online";
            const Json config = out.config(), quantization = config["quantization_config"];
            EXPECT_EQ(quantization["quant_method"],
                      rotation == "offline" ? "compressed-tensors" : "halfbyte");
            EXPECT_EQ(quantization["halfbyte"]["transforms"]["qkv"],
                      online ? "hadamard:8" : "none");
            EXPECT_EQ(quantization["halfbyte"].contains("folded"), !online);
            EXPECT_EQ(config["tie_word_embeddings"], tied && online);
            EXPECT_EQ(out.has("lm_head.weight"), !tied || !online);
            EXPECT_EQ(said.find("untied") != std::string::npos, tied && !online) << said;
            EXPECT_LT(relative_difference(wanted.values, logits_of(o.out.string()).values), 0.1)
                << model << rotation;
        }
    }
}

TEST_F(Rotation, ThreadsAndInterruptionsChangeNoByte) {
    for (const std::string rotation : {"offline", "offline+down"}) {
        auto whole = options("whole" + rotation, rotation);
        whole.ignore = {"re:.*layers.1.self_attn.o_proj"};
        quantize_model(whole, {});
        auto o = whole;
        o.out = folder.path / ("cut" + rotation);
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

TEST_F(Rotation, AnotherRotationIsRefusedOnResume) {
    const std::string all[] = {"online", "offline", "offline+down"};
    for (const std::string& first : all) {
        for (const bool finished : {false, true}) {
            auto o = options(first + std::to_string(finished), first);
            QuantizeHooks hooks;
            hooks.progress = [&](const Progress& p) {
                if (!finished && p.done == 1) throw Stop{};
            };
            if (finished)
                quantize_model(o, hooks);
            else
                EXPECT_THROW(quantize_model(o, hooks), Stop);
            o.resume = true;
            for (const std::string& second : all) {
                if (second == first) continue;
                o.rotation = second;
                EXPECT_THAT([&] { quantize_model(o, {}); },
                            testing::ThrowsMessage<Error>(testing::HasSubstr("\"rotation\" was")))
                    << first << " then " << second;
            }
        }
    }
}

TEST_F(Rotation, RefusesWhatCannotBeRotated) {
    refuses(options("o", "sideways"), "online, offline, offline+down");
    auto o = options("o", "offline");
    o.transform = "none";
    refuses(o, "nothing to rotate");
    o.transform = "";
    o.recipe = "rtn";
    refuses(o, "nothing to rotate");
    o.transform = "hadamard:64";
    refuses(o, "hidden_size is 32");
    o.transform = "hadamard:16";  // heads of 8
    refuses(o, "head_dim is 8");
    o = options("o", "offline+down");
    o.transform = "hadamard:32";
    o.model = std::string(HALFBYTE_TESTS_DIR) + "/engine/golden/qwen3";
    refuses(o, "head_dim is 16");
}

// One of at least four, and none where MX rounds the activations.
TEST_F(Rotation, KeepsABlockOfChannels) {
    const auto rotation_of = [&](const char* scheme, const char* transform) {
        auto o = options(std::string(scheme) + transform, "offline", "llama", scheme);
        o.transform = transform;
        o.ignore = {"re:.*down_proj"};  // its 48 inputs are no groups of 32
        quantize_model(o, {});
        return Json::parse(read_file(o.out / "run.json"))["rotation"];
    };
    for (const auto& [scheme, kept] :
         {std::pair{"nvfp4", 8}, {"nvfp4a16", 8}, {"mxfp4", 0}, {"mxfp4a16", 8}, {"int8", 8}})
        EXPECT_EQ(rotation_of(scheme, "hadamard:8")["kept"], kept) << scheme;
    EXPECT_EQ(rotation_of("mxfp4a16", "")["residual"], "hadamard:32");
}

TEST_F(Rotation, APlanCountsTheSecondHead) {
    const double online = plan_quantization(options("o", "online"))["output_bytes"],
                 offline = plan_quantization(options("o", "offline"))["output_bytes"];
    EXPECT_EQ(offline - online, 64 * 32 * 2);
}

}  // namespace
}  // namespace hb
