// SPDX-License-Identifier: Apache-2.0
// A decoder-only transformer as plain data, filled in by one line of the architecture table and the
// model's config.json (old and new spellings).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"

namespace hb {

struct Architecture {
    std::string_view name;        // "LlamaForCausalLM"
    std::string_view model_type;  // "llama"
    bool qkv_bias;                // default when config.json does not say (attention_bias)
    bool qk_norm;                 // RMSNorm of every q and k head before RoPE
    std::string_view help;
};

std::span<const Architecture> all_architectures();

struct RopeScaling {  // llama3: frequencies divided by `factor` below a wavelength, blended
    bool llama3 = false;
    double factor = 1, low_frequency_factor = 1, high_frequency_factor = 4;
    double original_context = 8192;
};

struct ModelConfig {
    const Architecture* architecture = nullptr;
    std::int64_t hidden = 0, intermediate = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0,
                 vocab = 0;
    std::int64_t context = 0;
    float norm_eps = 1e-5f;
    double rope_theta = 10000;
    RopeScaling rope_scaling;
    std::vector<double>
        rope_factors;  // GGUF's rope_freqs.weight: frequency i is divided by factor i
    bool qkv_bias = false, o_bias = false, mlp_bias = false, qk_norm = false, tied = false;
    std::int64_t sliding_window = 0;  // 0: none
    std::vector<std::int64_t> end_tokens;
    std::int64_t bos_token = -1;
};

// Throws Error with the field's name: unknown architecture, mixture of experts, a missing or absurd
// number, an activation that is not silu, an unknown rope scaling. `where` names the file in
// errors.
ModelConfig parse_config(const Json& config, const std::string& where);

// cos/sin frequencies of RoPE, one for each pair (head_dim / 2).
std::vector<double> rope_frequencies(const ModelConfig& config);

// The seven linears of a block and the site each one reads. Sites: 0 qkv-in, 1 o-in, 2 gate/up-in,
// 3 down-in.
struct LinearName {
    std::string_view name;  // "self_attn.q_proj"
    int site;
};
std::span<const LinearName> block_linears();
inline constexpr std::string_view kSiteNames[4] = {"qkv", "o", "gate_up", "down"};
std::string module_name(std::int64_t layer,
                        std::string_view linear);  // "model.layers.3.self_attn.q_proj"
struct LinearShape {
    std::int64_t out, in;
};
LinearShape linear_shape(const ModelConfig& config, std::string_view linear);

}  // namespace hb
