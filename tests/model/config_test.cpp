// SPDX-License-Identifier: Apache-2.0
#include "model/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"

namespace hb {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

Json good(const char* architecture = "LlamaForCausalLM", const char* type = "llama") {
    return {{"architectures", Json::array({architecture})},
            {"model_type", type},
            {"hidden_size", 64},
            {"intermediate_size", 96},
            {"num_hidden_layers", 2},
            {"num_attention_heads", 4},
            {"num_key_value_heads", 2},
            {"vocab_size", 100},
            {"max_position_embeddings", 512},
            {"rms_norm_eps", 1e-5},
            {"hidden_act", "silu"}};
}

ModelConfig parse(const Json& json) {
    return parse_config(json, "x/config.json");
}

Json changed(const char* pointer, const Json& value, Json json = good()) {
    json[Json::json_pointer(pointer)] = value;
    return json;
}

class EveryArchitecture : public testing::TestWithParam<Architecture> {};

TEST_P(EveryArchitecture, ReadsAMinimalConfig) {
    const auto& a = GetParam();
    const auto c = parse(good(std::string(a.name).c_str(), std::string(a.model_type).c_str()));
    EXPECT_EQ(c.architecture->name, a.name);
    EXPECT_EQ(c.head_dim, 16);
    EXPECT_EQ(c.qkv_bias, a.qkv_bias);
    EXPECT_EQ(c.qk_norm, a.qk_norm);
    EXPECT_FALSE(c.o_bias || c.mlp_bias || c.tied);
    EXPECT_EQ(c.sliding_window, 0);
    for (const auto& linear : block_linears()) {
        const auto shape = linear_shape(c, linear.name);
        EXPECT_GT(shape.out * shape.in, 0);
    }
}
INSTANTIATE_TEST_SUITE_P(All, EveryArchitecture,
                         testing::ValuesIn(all_architectures().begin(), all_architectures().end()),
                         [](const auto& each) { return std::string(each.param.model_type); });

struct Refusal {
    const char* pointer;
    Json value;
    const char* message;
};

TEST(Config, NamesWhatItRefuses) {
    const Refusal refusals[] = {
        {"/architectures", nullptr, "'architectures'"},
        {"/architectures", {"A", "B"}, "'architectures'"},
        {"/architectures/0", "FooForCausalLM", "'FooForCausalLM' is not supported"},
        {"/architectures/0", "Qwen3MoeForCausalLM", "mixture of experts"},
        {"/architectures/0", "MixtralForCausalLM", "mixture of experts"},
        {"/num_experts", 8, "mixtures of experts"},
        {"/num_local_experts", 8, "mixtures of experts"},
        {"/model_type", "qwen2", "'model_type'"},
        {"/hidden_act", "gelu", "'gelu'"},
        {"/hidden_size", nullptr, "'hidden_size' is missing"},
        {"/hidden_size", 0, "'hidden_size' is 0"},
        {"/hidden_size", -64, "'hidden_size' is -64"},
        {"/hidden_size", 64.5, "'hidden_size' is 64.5"},
        {"/hidden_size", "64", "'hidden_size' is \"64\""},
        {"/hidden_size", 1ll << 40, "wanted a whole number from"},
        {"/hidden_size", 18446744073709551615ull, "wanted a whole number from"},
        {"/intermediate_size", 0, "'intermediate_size'"},
        {"/num_hidden_layers", 1000000, "'num_hidden_layers'"},
        {"/num_attention_heads", 0, "'num_attention_heads'"},
        {"/num_attention_heads", 6, "does not divide"},
        {"/num_key_value_heads", 3, "do not divide"},
        {"/num_key_value_heads", -1, "'num_key_value_heads'"},
        {"/head_dim", 15, "even"},
        {"/head_dim", 1 << 20, "'head_dim'"},
        {"/vocab_size", 1ll << 50, "'vocab_size'"},
        {"/max_position_embeddings", nullptr, "'max_position_embeddings' is missing"},
        {"/rms_norm_eps", "x", "'rms_norm_eps'"},
        {"/rms_norm_eps", 0, "'rms_norm_eps'"},
        {"/rope_theta", -1, "'rope_theta'"},
        {"/rope_scaling", 3, "wanted an object"},
        {"/rope_scaling", {{"type", "linear"}, {"factor", 2}}, "'linear' is not supported"},
        {"/rope_scaling", {{"rope_type", "yarn"}}, "'yarn' is not supported"},
        {"/rope_scaling", {{"type", "dynamic"}}, "'dynamic' is not supported"},
        {"/rope_parameters", {{"rope_type", "longrope"}}, "'longrope' is not supported"},
        {"/rope_parameters",
         {{"full_attention", {{"rope_type", "default"}}}},
         "one set for all layers"},
        {"/rope_parameters", {{"rope_type", "llama3"}}, "'factor' is missing"},
        {"/partial_rotary_factor", 0.5, "partial_rotary_factor"},
        {"/rope_freqs", {1, 2}, "head_dim / 2"},
        {"/rope_freqs", {1, 2, 3, 4, 5, 6, 7, 0}, "positive"},
        {"/use_sliding_window", true, "'use_sliding_window' is true"},
        {"/layer_types", {"full_attention", "sliding_attention"}, "sliding_attention"},
        {"/eos_token_id", "2", "'eos_token_id'"},
        {"/eos_token_id", {2, -3}, "'eos_token_id'"},
        {"/tie_word_embeddings", 1, "true or false"},
    };
    for (const auto& r : refusals)
        EXPECT_THAT(
            [&] { parse(changed(r.pointer, r.value)); },
            ThrowsMessage<Error>(testing::AllOf(HasSubstr(r.message), HasSubstr("x/config.json"))))
            << r.pointer << " " << r.value;
    EXPECT_THROW(parse(Json::array()), Error);
}

TEST(Config, OldAndNewSpellingsMeanTheSame) {
    auto old_style = good();
    old_style["rope_theta"] = 500000;
    old_style["rope_scaling"] = {{"rope_type", "llama3"},
                                 {"factor", 8},
                                 {"low_freq_factor", 1},
                                 {"high_freq_factor", 4},
                                 {"original_max_position_embeddings", 128}};
    auto new_style = good();
    new_style["rope_parameters"] = old_style["rope_scaling"];
    new_style["rope_parameters"]["rope_theta"] = 500000;
    const auto a = parse(old_style), b = parse(new_style);
    EXPECT_TRUE(a.rope_scaling.llama3);
    EXPECT_EQ(rope_frequencies(a), rope_frequencies(b));
    EXPECT_NE(rope_frequencies(a), rope_frequencies(parse(good())));
}

TEST(Config, OptionalFieldsHaveTheirDefaults) {
    auto json = good();
    json.erase("num_key_value_heads");
    EXPECT_EQ(parse(json).kv_heads, 4);
    EXPECT_EQ(parse(json).head_dim, 16);
    json["head_dim"] = 32;
    json["eos_token_id"] = {7, 9};
    json["bos_token_id"] = nullptr;
    json["tie_word_embeddings"] = true;
    const auto c = parse(json);
    EXPECT_EQ(c.head_dim, 32);
    EXPECT_THAT(c.end_tokens, testing::ElementsAre(7, 9));
    EXPECT_EQ(c.bos_token, -1);
    EXPECT_TRUE(c.tied);
    EXPECT_THAT(parse(changed("/eos_token_id", 3)).end_tokens, testing::ElementsAre(3));
    EXPECT_TRUE(parse(changed("/attention_bias", true)).o_bias);
    EXPECT_FALSE(parse(changed("/attention_bias", true, good("Qwen2ForCausalLM", "qwen2"))).o_bias);
}

TEST(Config, SlidingWindowsBelongToMistral) {
    const auto mistral = good("MistralForCausalLM", "mistral"),
               qwen = good("Qwen2ForCausalLM", "qwen2");
    EXPECT_EQ(parse(changed("/sliding_window", 256, mistral)).sliding_window, 256);
    EXPECT_EQ(parse(changed("/sliding_window", 512, mistral)).sliding_window,
              0);  // the whole context
    EXPECT_EQ(parse(changed("/sliding_window", nullptr, mistral)).sliding_window, 0);
    EXPECT_THROW(parse(changed("/sliding_window", 0, mistral)), Error);
    EXPECT_EQ(parse(changed("/sliding_window", 256, qwen)).sliding_window, 0);
    EXPECT_THROW(parse(changed("/use_sliding_window", true, qwen)), Error);
}

// Values from Transformers' llama3 rule: head_dim 16, theta 500000, factor 8, low 1, high 4,
// original 128.
TEST(Rope, Llama3ScalingKeepsFastAndSlowsSlowFrequencies) {
    ModelConfig c;
    c.head_dim = 16;
    c.rope_theta = 500000;
    const auto plain = rope_frequencies(c);
    c.rope_scaling = {true, 8, 1, 4, 128};
    const auto scaled = rope_frequencies(c);
    ASSERT_EQ(plain.size(), 8u);
    EXPECT_EQ(scaled[0], 1.0);
    const double expected[8]{1,
                             0.191126496,
                             0.00470075384,
                             0.000911583134,
                             0.000176776681,
                             3.42810235e-05,
                             6.64786967e-06,
                             1.28917316e-06};
    for (std::size_t i = 0; i < 8; ++i) {
        EXPECT_DOUBLE_EQ(plain[i], std::pow(500000.0, -static_cast<double>(i) / 8));
        EXPECT_NEAR(scaled[i] / expected[i], 1, 1e-6) << i;
    }
}

TEST(Rope, FactorsDivideFrequencies) {
    ModelConfig c;
    c.head_dim = 4;
    const auto plain = rope_frequencies(c);
    c.rope_factors = {1, 8};
    EXPECT_EQ(rope_frequencies(c)[0], plain[0]);
    EXPECT_EQ(rope_frequencies(c)[1], plain[1] / 8);
}

TEST(Linears, SevenWithTheirSites) {
    ASSERT_EQ(block_linears().size(), 7u);
    for (const auto& linear : block_linears()) EXPECT_LT(linear.site, 4);
    EXPECT_EQ(module_name(3, "mlp.up_proj"), "model.layers.3.mlp.up_proj");
    const auto c = parse(changed("/head_dim", 32));
    EXPECT_EQ(linear_shape(c, "self_attn.q_proj").out, 128);
    EXPECT_EQ(linear_shape(c, "self_attn.v_proj").out, 64);
    EXPECT_EQ(linear_shape(c, "self_attn.o_proj").in, 128);
    EXPECT_EQ(linear_shape(c, "mlp.down_proj").in, 96);
    EXPECT_THROW(linear_shape(c, "mlp.sideways"), Error);
}

}  // namespace
}  // namespace hb
