// SPDX-License-Identifier: Apache-2.0
// A Llama of two blocks with random bf16 weights, and a byte-level tokenizer of 128 ids: printable
// ASCII, space and newline, four special tokens, and merges of frequent pairs. Small enough to
// quantize in a test, wide enough (128) for every scheme's group.
#pragma once

#include <cmath>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "core/float_bits.hpp"
#include "core/json.hpp"
#include "core/random.hpp"
#include "io/safetensors.hpp"
#include "run_binary.hpp"

namespace hb::test {

inline constexpr std::int64_t kHidden = 128, kIntermediate = 256, kLayers = 2, kHeads = 4,
                              kKvHeads = 2, kVocab = 128;

inline void put(const fs::path& file, const std::string& text) {
    std::ofstream(file, std::ios::binary) << text;
}

inline Json tiny_config() {
    return {{"architectures", {"LlamaForCausalLM"}},
            {"model_type", "llama"},
            {"hidden_size", kHidden},
            {"intermediate_size", kIntermediate},
            {"num_hidden_layers", kLayers},
            {"num_attention_heads", kHeads},
            {"num_key_value_heads", kKvHeads},
            {"vocab_size", kVocab},
            {"max_position_embeddings", 256},
            {"rms_norm_eps", 1e-5},
            {"rope_theta", 10000.0},
            {"hidden_act", "silu"},
            {"tie_word_embeddings", false},
            {"torch_dtype", "bfloat16"},
            {"bos_token_id", 0},
            {"eos_token_id", 1}};
}

inline Json tiny_tokenizer() {
    Json vocab = Json::object(), merges = Json::array(), added = Json::array();
    const char* specials[4] = {"<|begin|>", "<|end|>", "<|user|>", "<|model|>"};
    for (int id = 0; id < 4; ++id) {
        vocab[specials[id]] = id;
        added.push_back({{"id", id},
                         {"content", specials[id]},
                         {"single_word", false},
                         {"lstrip", false},
                         {"rstrip", false},
                         {"normalized", false},
                         {"special", true}});
    }
    for (char c = '!'; c <= '~'; ++c) vocab[std::string(1, c)] = vocab.size();
    vocab["\u0120"] = vocab.size();  // space
    vocab["\u010a"] = vocab.size();  // newline
    for (const char* pair : {"t h", "h e", "i n", "e r", "a n", "r e", "o n", "a t", "e n", "n d",
                             "t i", "e s", "o r", "t e", "o f", "e d", "i s", "i t", "a l", "a r",
                             "s t", "t o", "n t", "n g", "s e", "h a", "a s", "o u"}) {
        merges.push_back(pair);
        vocab[std::string(1, pair[0]) + pair[2]] = vocab.size();
    }
    const Json byte_level = {{"type", "ByteLevel"},
                             {"add_prefix_space", false},
                             {"trim_offsets", true},
                             {"use_regex", true}};
    return {{"version", "1.0"},
            {"truncation", nullptr},
            {"padding", nullptr},
            {"added_tokens", added},
            {"normalizer", nullptr},
            {"pre_tokenizer", byte_level},
            {"post_processor", nullptr},
            {"decoder", byte_level},
            {"model",
             {{"type", "BPE"},
              {"dropout", nullptr},
              {"unk_token", nullptr},
              {"continuing_subword_prefix", nullptr},
              {"end_of_word_suffix", nullptr},
              {"fuse_unk", false},
              {"byte_fallback", false},
              {"ignore_merges", false},
              {"vocab", vocab},
              {"merges", merges}}}};
}

inline TensorToWrite random_tensor(std::string name, std::vector<std::int64_t> shape, float size,
                                   float mean, std::uint64_t seed) {
    std::int64_t n = 1;
    for (const std::int64_t d : shape) n *= d;
    return {std::move(name), "BF16", std::move(shape), [=] {
                Random random{seed};
                std::vector<std::byte> bytes(static_cast<std::size_t>(2 * n));
                for (std::int64_t i = 0; i < n; ++i) {
                    const std::uint16_t bits = float_to_bf16(mean + size * random.normal());
                    std::memcpy(bytes.data() + 2 * i, &bits, 2);
                }
                return bytes;
            }};
}

inline void write_tiny_model(const fs::path& folder, std::uint64_t seed = 1) {
    fs::create_directories(folder);
    std::vector<TensorToWrite> tensors;
    const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
        const bool norm = shape.size() == 1;
        const float size = norm ? 0.1f : 1.5f / std::sqrt(static_cast<float>(shape.back()));
        tensors.push_back(random_tensor(name, std::move(shape), size, norm ? 1.0f : 0.0f,
                                        1000 * seed + tensors.size()));
    };
    add("model.embed_tokens.weight", {kVocab, kHidden});
    add("lm_head.weight", {kVocab, kHidden});
    add("model.norm.weight", {kHidden});
    constexpr std::int64_t kKv = kHidden / kHeads * kKvHeads;
    for (std::int64_t layer = 0; layer < kLayers; ++layer) {
        const std::string block = "model.layers." + std::to_string(layer) + ".";
        add(block + "input_layernorm.weight", {kHidden});
        add(block + "post_attention_layernorm.weight", {kHidden});
        add(block + "self_attn.q_proj.weight", {kHidden, kHidden});
        add(block + "self_attn.k_proj.weight", {kKv, kHidden});
        add(block + "self_attn.v_proj.weight", {kKv, kHidden});
        add(block + "self_attn.o_proj.weight", {kHidden, kHidden});
        add(block + "mlp.gate_proj.weight", {kIntermediate, kHidden});
        add(block + "mlp.up_proj.weight", {kIntermediate, kHidden});
        add(block + "mlp.down_proj.weight", {kHidden, kIntermediate});
    }
    write_safetensors(folder / "model.safetensors", std::move(tensors));
    put(folder / "config.json", tiny_config().dump(2));
    put(folder / "tokenizer.json", tiny_tokenizer().dump());
    put(folder / "tokenizer_config.json",
        Json({{"bos_token", "<|begin|>"},
              {"eos_token", "<|end|>"},
              {"chat_template",
               "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n"
               "{% endfor %}{% if add_generation_prompt %}<|model|>{% endif %}"}})
            .dump());
}

// A text that the tiny tokenizer covers.
inline std::string tiny_text(std::size_t bytes) {
    std::string text;
    for (std::size_t line = 0; text.size() < bytes; ++line)
        text += "the " + std::to_string(line * line) +
                " rest of the text is on another line, as it should be.\n";
    return text.substr(0, bytes);
}

}  // namespace hb::test
