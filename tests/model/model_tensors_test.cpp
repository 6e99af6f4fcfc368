// SPDX-License-Identifier: Apache-2.0
#include "model/model_tensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "io/quantization_config.hpp"
#include "io/temporary_folder.hpp"

namespace hb {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TensorToWrite tensor(std::string name, std::vector<std::int64_t> shape,
                     std::string dtype = "BF16") {
    std::size_t n = static_cast<std::size_t>(dtype_bytes(dtype));
    for (const auto d : shape) n *= static_cast<std::size_t>(d);
    return {std::move(name), std::move(dtype), std::move(shape),
            [n] { return std::vector<std::byte>(n); }};
}

struct Tiny {
    Json json{{"architectures", Json::array({"Qwen3ForCausalLM"})},
              {"model_type", "qwen3"},
              {"hidden_size", 64},
              {"intermediate_size", 128},
              {"num_hidden_layers", 2},
              {"num_attention_heads", 4},
              {"num_key_value_heads", 2},
              {"head_dim", 32},
              {"vocab_size", 10},
              {"max_position_embeddings", 64}};
    std::vector<TensorToWrite> tensors;

    Tiny() {
        const auto c = parse_config(json, "tiny");
        for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"})
            tensors.push_back(tensor(name, {10, 64}));
        tensors.push_back(tensor("model.norm.weight", {64}));
        for (int layer = 0; layer < 2; ++layer) {
            for (const char* name : {"input_layernorm.weight", "post_attention_layernorm.weight"})
                tensors.push_back(tensor(module_name(layer, name), {64}));
            for (const char* name : {"self_attn.q_norm.weight", "self_attn.k_norm.weight"})
                tensors.push_back(tensor(module_name(layer, name), {32}));
            for (const auto& linear : block_linears()) {
                const auto shape = linear_shape(c, linear.name);
                tensors.push_back(
                    tensor(module_name(layer, linear.name) + ".weight", {shape.out, shape.in}));
            }
        }
    }
    void remove(const std::string& name) {
        std::erase_if(tensors, [&](const auto& t) { return t.name == name; });
    }
    void check() const {
        TemporaryFolder folder;
        folder.put("config.json", json.dump());
        write_sharded(folder.path, tensors, 1 << 20);
        const auto checkpoint = Checkpoint::open(folder.path.string());
        check_model_tensors(checkpoint, model_config(checkpoint));
    }
    void refuses(const std::string& message) const {
        EXPECT_THAT([&] { check(); }, ThrowsMessage<Error>(HasSubstr(message)));
    }
};

TEST(ModelTensors, EachIsNeeded) {
    Tiny().check();
    const auto all = Tiny().tensors;
    for (const auto& each : all) {
        Tiny tiny;
        tiny.remove(each.name);
        tiny.refuses("'" + each.name + "' is missing");
        tiny.tensors.push_back(tensor(each.name, {7, 7}));
        tiny.refuses("'" + each.name + "' has shape [7, 7]");
        tiny.remove(each.name);
        tiny.tensors.push_back(tensor(each.name, each.shape, "I32"));
        tiny.refuses("'" + each.name + "' is I32");
    }
}

TEST(ModelTensors, TiedModelsNeedNoHead) {
    Tiny tiny;
    tiny.json["tie_word_embeddings"] = true;
    tiny.remove("lm_head.weight");
    tiny.check();
}

TEST(ModelTensors, ExpertsAndUnannouncedBiasesAreRefused) {
    Tiny tiny;
    tiny.tensors.push_back(tensor("model.something.else", {3}));
    tiny.check();
    tiny.tensors.push_back(tensor("model.layers.0.self_attn.q_proj.bias", {128}));
    tiny.refuses("says no bias");
    tiny.json["attention_bias"] = true;
    tiny.refuses("k_proj.bias' is missing");
    tiny.tensors.push_back(tensor("model.layers.0.mlp.experts.0.w1.weight", {3}));
    tiny.refuses("mixtures of experts");
}

TEST(ModelTensors, AQuantizedLinearNeedsItsParts) {
    for (const auto& scheme : all_schemes()) {
        Tiny tiny;
        const std::string module = "model.layers.1.mlp.down_proj";
        const float divisor = scheme.by_row() ? 1 : 2;
        const QTensor q = make_qtensor(scheme, 64, 128, make_scales(scheme, 64, 128, divisor));
        tiny.remove(module + ".weight");
        auto parts = tensors_of(module, q, 1);
        for (auto& part : parts) tiny.tensors.push_back(part);
        tiny.refuses("no quantization_config");
        QuantizationConfig config;
        config.groups = {{&scheme, "", ""}};
        tiny.json["quantization_config"] = to_json(config);
        tiny.check();
        for (const auto& part : parts) {
            if (part.name.ends_with("weight_shape") ||
                (scheme.family == Family::mx && part.name.ends_with("global_scale")))
                continue;
            auto damaged = tiny;
            damaged.remove(part.name);
            damaged.refuses("is missing");
            damaged.tensors.push_back(tensor(part.name, part.shape, "I64"));
            damaged.refuses("is I64");
        }
    }
}

}  // namespace
}  // namespace hb
