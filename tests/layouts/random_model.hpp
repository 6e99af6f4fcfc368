// SPDX-License-Identifier: Apache-2.0
// A quantized folder whose codes, scales and divisors are any that the scheme allows, the extreme
// ones included: two blocks, one linear of which is left dense.
#pragma once

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/file.hpp"
#include "core/float_bits.hpp"
#include "core/random.hpp"
#include "io/quantization_config.hpp"
#include "model/config.hpp"

namespace hb::test {

struct Shape {
    std::string type = "llama";  // llama, mistral, qwen2, qwen3
    std::int64_t hidden = 64, intermediate = 128, heads = 4, kv_heads = 2, head_dim = 16,
                 vocab = 32, layers = 2;
    bool tied = false;
};

inline Json config_json(const Shape& s) {
    const std::string name = s.type == "llama"     ? "LlamaForCausalLM"
                             : s.type == "mistral" ? "MistralForCausalLM"
                             : s.type == "qwen2"   ? "Qwen2ForCausalLM"
                                                   : "Qwen3ForCausalLM";
    Json config = {{"architectures", {name}},
                   {"model_type", s.type},
                   {"hidden_size", s.hidden},
                   {"intermediate_size", s.intermediate},
                   {"num_hidden_layers", s.layers},
                   {"num_attention_heads", s.heads},
                   {"num_key_value_heads", s.kv_heads},
                   {"head_dim", s.head_dim},
                   {"vocab_size", s.vocab},
                   {"max_position_embeddings", 256},
                   {"rms_norm_eps", 1e-6},
                   {"hidden_act", "silu"},
                   {"tie_word_embeddings", s.tied},
                   {"eos_token_id", {3, 5}}};
    config["rope_parameters"] = {
        {"rope_type", "llama3"},   {"rope_theta", 500000.0},
        {"factor", 8.0},           {"low_freq_factor", 1.0},
        {"high_freq_factor", 4.0}, {"original_max_position_embeddings", 64}};
    return config;
}

inline TensorToWrite random_bf16(std::string name, std::vector<std::int64_t> shape, float size,
                                 float mean, std::uint64_t seed) {
    std::int64_t n = 1;
    for (const auto d : shape) n *= d;
    return {std::move(name), "BF16", std::move(shape), [=] {
                Random random{seed};
                std::vector<std::byte> bytes(static_cast<std::size_t>(2 * n));
                for (std::int64_t i = 0; i < n; ++i) {
                    const auto bits = float_to_bf16(mean + size * random.normal());
                    std::memcpy(bytes.data() + 2 * i, &bits, 2);
                }
                return bytes;
            }};
}

// Any codes. Scales: any finite byte, or those of a model whose values are moderate.
inline QTensor any_codes(const Scheme& scheme, std::int64_t rows, std::int64_t cols, float divisor,
                         bool extreme, Random& random) {
    QTensor q = make_qtensor(scheme, rows, cols, make_scales(scheme, rows, cols, divisor));
    for (auto& code : q.codes.values) {
        code = static_cast<std::uint8_t>(random.bits());
        if (scheme.family == Family::fp8 && (code & 0x7f) == 0x7f) --code;  // NaN
    }
    for (auto& zero : q.scales.zeros.values) zero = static_cast<std::uint8_t>(random.bits() % 16);
    for (auto& bits : q.scales.bits.values) {
        const auto any = random.bits();
        if (scheme.family == Family::nv)
            bits = static_cast<std::uint16_t>(extreme ? any % 0x7f : 0x30 + any % 16);
        else if (scheme.family == Family::mx)
            bits = static_cast<std::uint16_t>(extreme ? any % 255 : 121 + any % 4);
        else
            bits = float_to_bf16(static_cast<float>(random.uniform()));
    }
    return q;
}

// The reciprocal of the reciprocal of about one in seven is another number. All fit every layout.
inline float any_divisor(bool extreme, Random& random) {
    const auto mantissa = static_cast<float>(1 + random.uniform());
    return extreme ? std::ldexp(mantissa, static_cast<int>(random.bits() % 180) - 90)
                   : 32 * mantissa;
}

struct ModelOptions {
    Shape shape;
    std::string scheme = "nvfp4";
    std::vector<std::pair<std::string, std::string>> scheme_for;  // of targets
    std::uint64_t seed = 1;
    bool extreme = true;    // scales and divisors
    bool one_dense = true;  // blocks.1.mlp.up_proj stays in bf16
    float mx_divisor = 1;   // of MXFP4 weights
    std::string transform = "none";
    bool shared = false;  // q, k and v have the same divisors, and gate and up
};

inline QuantizationConfig quantization_of(const ModelOptions& o) {
    QuantizationConfig c;
    const auto add = [&](const std::string& name, const std::string& target) {
        const Scheme& scheme = find_scheme(name);
        const bool third = o.mx_divisor == 3 && scheme.family == Family::mx;
        const std::string_view inputs = third ? "fp-quant" : scheme.activation_rule;
        c.groups.push_back({&scheme,
                            std::string(third ? "fp-quant" : scheme.weight_rule),
                            std::string(scheme.quantized_activations ? inputs : ""),
                            {target}});
    };
    for (const auto& [target, scheme] : o.scheme_for) add(scheme, target);
    add(o.scheme, "Linear");
    c.qkv = c.o = c.gate_up = c.down = o.transform;
    c.ignore = {"lm_head"};
    if (o.one_dense) c.ignore.push_back(module_name(1, "mlp.up_proj"));
    return c;
}

inline void write_model(const std::filesystem::path& folder, const ModelOptions& o) {
    const Shape& s = o.shape;
    Json config = config_json(s);
    const ModelConfig model = parse_config(config, "test");
    const QuantizationConfig quantization = quantization_of(o);
    Random random{o.seed};
    std::vector<TensorToWrite> tensors;
    std::uint64_t salt = 1000 * o.seed;
    const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
        const bool vector = shape.size() == 1;
        const bool norm = name.find("norm") != std::string::npos;
        tensors.push_back(
            random_bf16(name, std::move(shape), vector ? 0.1f : 0.2f, norm ? 1.f : 0.f, ++salt));
    };
    add("model.embed_tokens.weight", {s.vocab, s.hidden});
    if (!s.tied) add("lm_head.weight", {s.vocab, s.hidden});
    add("model.norm.weight", {s.hidden});
    for (std::int64_t layer = 0; layer < s.layers; ++layer) {
        add(module_name(layer, "input_layernorm.weight"), {s.hidden});
        add(module_name(layer, "post_attention_layernorm.weight"), {s.hidden});
        if (s.type == "qwen3")
            for (const char* name : {"self_attn.q_norm.weight", "self_attn.k_norm.weight"})
                add(module_name(layer, name), {s.head_dim});
        float weight_divisors[4] = {}, input_divisors[4] = {};  // of the sites
        for (const auto& linear : block_linears()) {
            const auto module = module_name(layer, linear.name);
            const auto [out, in] = linear_shape(model, linear.name);
            if (linear.site == 0 && model.qkv_bias) add(module + ".bias", {out});
            if (o.one_dense && layer == 1 && linear.name == "mlp.up_proj") {
                add(module + ".weight", {out, in});
                continue;
            }
            const Scheme& scheme = *quantization.group_of(module).scheme;
            float& divisor = weight_divisors[linear.site];
            if (!o.shared || divisor == 0)
                divisor = scheme.family == Family::nv   ? any_divisor(o.extreme, random)
                          : scheme.family == Family::mx ? o.mx_divisor
                                                        : 1;
            const auto q = any_codes(scheme, out, in, divisor, o.extreme, random);
            float& input = input_divisors[linear.site];
            if (!o.shared || input == 0) input = any_divisor(o.extreme, random);
            for (auto& tensor : tensors_of(module, q, input)) tensors.push_back(std::move(tensor));
        }
    }
    config["quantization_config"] = to_json(quantization);
    std::filesystem::create_directories(folder);
    write_sharded(folder, std::move(tensors), 1 << 30);
    write_file(folder / "config.json", config.dump(2) + "\n");
}

}  // namespace hb::test
