// SPDX-License-Identifier: Apache-2.0
#include "io/gguf_names.hpp"

#include <fmt/format.h>

#include <charconv>

namespace hb {
namespace {

constexpr GgufArchitecture kArchitectures[] = {
    {"llama", "LlamaForCausalLM", true},
    {"qwen2", "Qwen2ForCausalLM", false},
    {"qwen3", "Qwen3ForCausalLM", false},
};

struct Name {
    std::string_view gguf, hugging_face;
};
constexpr Name kTopNames[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};
constexpr Name kBlockNames[] = {
    {"attn_norm", "input_layernorm"},    {"ffn_norm", "post_attention_layernorm"},
    {"attn_q", "self_attn.q_proj"},      {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},      {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"}, {"attn_k_norm", "self_attn.k_norm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"}};

// "3" and "attn_q" of "blk.3.attn_q" behind the prefix "blk."; false when it has not that form.
bool split(std::string_view text, std::string_view prefix, int& layer, std::string_view& name) {
    if (!text.starts_with(prefix)) return false;
    const auto rest = text.substr(prefix.size());
    const auto dot = rest.find('.');
    if (dot == std::string_view::npos) return false;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + dot, layer);
    name = rest.substr(dot + 1);
    return error == std::errc{} && end == rest.data() + dot && layer >= 0;
}

// The entry whose member `from` is `text`, as `to`; empty when there is none.
template <std::size_t n>
std::string_view look_up(const Name (&names)[n], std::string_view Name::*from,
                         std::string_view Name::*to, std::string_view text) {
    for (const auto& name : names)
        if (name.*from == text) return name.*to;
    return {};
}

std::string translate(std::string_view text, std::string_view Name::*from,
                      std::string_view Name::*to, std::string_view prefix,
                      std::string_view new_prefix) {
    int layer = -1;
    std::string_view rest;
    if (!split(text, prefix, layer, rest)) return std::string(look_up(kTopNames, from, to, text));
    const auto name = look_up(kBlockNames, from, to, rest);
    return name.empty() ? std::string{} : fmt::format("{}{}.{}", new_prefix, layer, name);
}

constexpr std::string_view kBlocks = "blk.", kLayers = "model.layers.";

}  // namespace

std::span<const GgufArchitecture> gguf_architectures() {
    return kArchitectures;
}

std::string module_of_gguf(std::string_view base) {
    return translate(base, &Name::gguf, &Name::hugging_face, kBlocks, kLayers);
}

std::string gguf_of_module(std::string_view module) {
    return translate(module, &Name::hugging_face, &Name::gguf, kLayers, kBlocks);
}

}  // namespace hb
