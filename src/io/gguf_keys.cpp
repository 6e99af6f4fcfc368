// SPDX-License-Identifier: Apache-2.0
// config.json from a GGUF's keys. A llama with biases in q, k and v alone is a Qwen2.
#include "io/gguf_keys.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "io/source.hpp"
#include "io/strict_json.hpp"

namespace hb {

const GgufArchitecture& architecture_of(const Gguf& gguf) {
    const auto name = gguf.text("general.architecture");
    std::vector<std::string_view> known;
    for (const auto& architecture : gguf_architectures()) {
        if (architecture.name == name) return architecture;
        known.push_back(architecture.name);
    }
    fail("{}: architecture '{}' is not supported; known are {}", gguf.file, printable(name),
         fmt::join(known, ", "));
}

GgufHeads heads_of(const Gguf& gguf) {
    const auto arch = gguf.text("general.architecture");
    const auto in_range = [&](std::string_view key, std::int64_t value) {
        if (value < 1 || value > 1 << 18)
            fail("{}: key '{}.{}' is {}", gguf.file, arch, key, value);
        return value;
    };
    GgufHeads h;
    h.q = in_range("attention.head_count", gguf.whole(arch + ".attention.head_count"));
    h.kv = in_range("attention.head_count_kv",
                    gguf.whole_or_none(arch + ".attention.head_count_kv").value_or(h.q));
    const auto hidden = in_range("embedding_length", gguf.whole(arch + ".embedding_length"));
    h.size = in_range("attention.key_length",
                      gguf.whole_or_none(arch + ".attention.key_length").value_or(hidden / h.q));
    for (const char* key : {".attention.value_length", ".rope.dimension_count"})
        if (const auto n = gguf.whole_or_none(arch + key).value_or(h.size); n != h.size)
            fail("{}: key '{}{}' is {}, which differs from the head size {}", gguf.file, arch, key,
                 n, h.size);
    return h;
}

bool presented_as_bf16(const Gguf& gguf) {
    return std::any_of(gguf.tensors.begin(), gguf.tensors.end(), [](const auto& tensor) {
        return tensor.shape.size() > 1 && tensor.type->name != "F32" && tensor.type->name != "F16";
    });
}

std::vector<std::int64_t> gguf_end_tokens(const Gguf& gguf) {
    std::vector<std::int64_t> ids;
    for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"})
        if (const auto id = gguf.whole_or_none(key);
            id && std::find(ids.begin(), ids.end(), *id) == ids.end())
            ids.push_back(*id);
    return ids;
}

Json gguf_config(const Gguf& gguf) {
    const auto& arch = architecture_of(gguf);
    const std::string prefix = std::string(arch.name) + ".";
    if (gguf.whole_or_none(prefix + "expert_count").value_or(0) != 0)
        fail("{}: key '{}expert_count': mixtures of experts are not supported", gguf.file, prefix);
    const auto heads = heads_of(gguf);
    const auto* embedding = gguf.tensor("token_embd.weight");
    if (!embedding || embedding->shape.size() != 2)
        fail("{}: no matrix 'token_embd.weight'", gguf.file);
    const auto window = gguf.whole_or_none(prefix + "attention.sliding_window").value_or(0);
    const bool llama = arch.name == "llama", mistral = llama && window > 0,
               biased = gguf.tensor("blk.0.attn_q.bias") != nullptr,
               qwen2 = llama && biased && !gguf.tensor("blk.0.attn_output.bias");
    Json config;
    config["architectures"] = {mistral ? "MistralForCausalLM"
                               : qwen2 ? "Qwen2ForCausalLM"
                                       : std::string(arch.hugging_face)};
    config["model_type"] = mistral ? "mistral" : qwen2 ? "qwen2" : std::string(arch.name);
    config["hidden_size"] = gguf.whole(prefix + "embedding_length");
    config["intermediate_size"] = gguf.whole(prefix + "feed_forward_length");
    config["num_hidden_layers"] = gguf.whole(prefix + "block_count");
    config["num_attention_heads"] = heads.q;
    config["num_key_value_heads"] = heads.kv;
    config["head_dim"] = heads.size;
    config["vocab_size"] = embedding->shape[0];
    config["hidden_act"] = "silu";
    config["max_position_embeddings"] = gguf.whole(prefix + "context_length");
    const auto eps = gguf.real_or_none(prefix + "attention.layer_norm_rms_epsilon");
    if (!eps) fail("{}: key '{}attention.layer_norm_rms_epsilon' is missing", gguf.file, prefix);
    config["rms_norm_eps"] = *eps;
    config["rope_theta"] = gguf.real_or_none(prefix + "rope.freq_base").value_or(10000);
    const auto scaling = gguf.text_or_none(prefix + "rope.scaling.type").value_or("none");
    if (scaling != "none") config["rope_scaling"] = {{"rope_type", scaling}};
    if (mistral) config["sliding_window"] = window;
    config["tie_word_embeddings"] = gguf.tensor("output.weight") == nullptr;
    if (const auto id = gguf.whole_or_none("tokenizer.ggml.bos_token_id"))
        config["bos_token_id"] = *id;
    const auto end = gguf_end_tokens(gguf);
    if (end.size() == 1)
        config["eos_token_id"] = end[0];
    else if (end.size() > 1)
        config["eos_token_id"] = end;
    if (llama && !qwen2) config["attention_bias"] = biased;
    const bool half = embedding->type->name == "F16";
    config["torch_dtype"] = presented_as_bf16(gguf) ? "bfloat16" : half ? "float16" : "float32";
    return config;
}

}  // namespace hb
