// SPDX-License-Identifier: Apache-2.0
// Llama-3 RoPE scaling (Llama 3.1's config.json, rope_type "llama3"): with wavelength w = 2 pi / f,
//     w > C / low   ->  f / factor
//     w < C / high  ->  f
//     between       ->  (1 - s) f / factor + s f,  s = (C / w - low) / (high - low)
// where C is the context before scaling.
#include "model/config.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

constexpr Architecture kArchitectures[] = {
    {"LlamaForCausalLM", "llama", false, false,
     "Llama 2, 3, 3.1, 3.2, SmolLM2 and other models of that form"},
    {"MistralForCausalLM", "mistral", false, false,
     "Mistral 7B: Llama with an optional sliding window"},
    {"Qwen2ForCausalLM", "qwen2", true, false, "Qwen2, Qwen2.5: Llama with biases on q, k and v"},
    {"Qwen3ForCausalLM", "qwen3", false, true, "Qwen3: Llama with normed q and k heads"},
};

constexpr LinearName kLinears[] = {
    {"self_attn.q_proj", 0}, {"self_attn.k_proj", 0}, {"self_attn.v_proj", 0},
    {"self_attn.o_proj", 1}, {"mlp.gate_proj", 2},    {"mlp.up_proj", 2},
    {"mlp.down_proj", 3},
};

// Typed access to fields; null counts as absent.
struct Fields {
    const Json& json;
    std::string where;

    const Json* find(const char* name) const {
        const auto it = json.find(name);
        return it == json.end() || it->is_null() ? nullptr : &*it;
    }
    std::int64_t count(const char* name, std::int64_t low, std::int64_t high) const {
        const Json* field = find(name);
        if (!field) fail("{}: '{}' is missing", where, name);
        return in_range(*field, name, low, high);
    }
    std::int64_t count_or(const char* name, std::int64_t low, std::int64_t high,
                          std::int64_t otherwise) const {
        const Json* field = find(name);
        return field ? in_range(*field, name, low, high) : otherwise;
    }
    std::int64_t in_range(const Json& field, const char* name, std::int64_t low,
                          std::int64_t high) const {
        const bool large =
            field.is_number_unsigned() && field.get<std::uint64_t>() > (std::uint64_t{1} << 62);
        if (!field.is_number_integer() || large || field.get<std::int64_t>() < low ||
            field.get<std::int64_t>() > high)
            fail("{}: '{}' is {}, wanted a whole number from {} to {}", where, name, shown(field),
                 low, high);
        return field.get<std::int64_t>();
    }
    double number_or(const char* name, double low, double high, double otherwise) const {
        const Json* field = find(name);
        if (!field) return otherwise;
        if (!field->is_number() || !(field->get<double>() >= low && field->get<double>() <= high))
            fail("{}: '{}' is {}, wanted a number from {} to {}", where, name, shown(*field), low,
                 high);
        return field->get<double>();
    }
    bool flag_or(const char* name, bool otherwise) const {
        const Json* field = find(name);
        if (!field) return otherwise;
        if (!field->is_boolean())
            fail("{}: '{}' is {}, wanted true or false", where, name, shown(*field));
        return field->get<bool>();
    }
    std::string text_or(const char* name, const std::string& otherwise) const {
        const Json* field = find(name);
        if (!field) return otherwise;
        if (!field->is_string()) fail("{}: '{}' is {}, wanted a text", where, name, shown(*field));
        return field->get<std::string>();
    }
    // An object, or null for an absent one.
    const Json* object(const char* name) const {
        const Json* field = find(name);
        if (field && !field->is_object())
            fail("{}: '{}' is {}, wanted an object", where, name, shown(*field));
        return field;
    }
    static std::string shown(const Json& field) {
        if (field.is_structured()) return field.is_object() ? "an object" : "an array";
        return printable(field.dump(-1, ' ', true, Json::error_handler_t::replace), 60);
    }
};

const Architecture& find_architecture(const Fields& fields) {
    const Json* list = fields.find("architectures");
    if (!list || !list->is_array() || list->size() != 1 || !list->front().is_string())
        fail("{}: 'architectures' must be a list with one name", fields.where);
    const auto name = list->front().get<std::string>();
    std::vector<std::string_view> known;
    for (const auto& architecture : kArchitectures) {
        if (architecture.name == name) return architecture;
        known.push_back(architecture.name);
    }
    const bool experts =
        name.find("Moe") != std::string::npos || name.find("Mixtral") != std::string::npos;
    fail("{}: architecture '{}' is not supported{}; known are {}", fields.where, printable(name),
         experts ? " (mixture of experts)" : "", fmt::join(known, ", "));
}

void refuse_unknown_features(const Fields& fields, const Architecture& architecture) {
    for (const char* name : {"num_experts", "num_local_experts", "n_routed_experts"})
        if (const Json* n = fields.find(name); n && *n != 0)
            fail("{}: '{}' is {}: mixtures of experts are not supported", fields.where, name,
                 Fields::shown(*n));
    const auto type = fields.text_or("model_type", std::string(architecture.model_type));
    if (type != architecture.model_type)
        fail("{}: 'model_type' is '{}', wanted '{}' for {}", fields.where, printable(type),
             architecture.model_type, architecture.name);
    const auto activation = fields.text_or("hidden_act", "silu");
    if (activation != "silu")
        fail("{}: 'hidden_act' is '{}'; only silu is supported", fields.where,
             printable(activation));
    if (fields.number_or("partial_rotary_factor", 0, 1, 1) != 1)
        fail("{}: 'partial_rotary_factor' other than 1 is not supported", fields.where);
    if (fields.flag_or("rope_interleaved", false))
        fail("{}: 'rope_interleaved' is true, which is not supported", fields.where);
}

void read_sizes(const Fields& fields, ModelConfig& c) {
    c.hidden = fields.count("hidden_size", 1, 1 << 18);
    c.intermediate = fields.count("intermediate_size", 1, 1 << 20);
    c.layers = fields.count("num_hidden_layers", 1, 1024);
    c.heads = fields.count("num_attention_heads", 1, 4096);
    c.kv_heads = fields.count_or("num_key_value_heads", 1, 4096, c.heads);
    c.vocab = fields.count("vocab_size", 1, 1 << 22);
    c.context = fields.count("max_position_embeddings", 1, std::int64_t{1} << 31);
    if (c.heads % c.kv_heads != 0)
        fail("{}: {} attention heads do not divide into {} key-value heads", fields.where, c.heads,
             c.kv_heads);
    if (!fields.find("head_dim") && c.hidden % c.heads != 0)
        fail("{}: hidden_size {} does not divide into {} heads, and 'head_dim' is missing",
             fields.where, c.hidden, c.heads);
    c.head_dim = fields.count_or("head_dim", 1, 1024, c.hidden / c.heads);
    if (c.head_dim > 1024 || c.head_dim % 2 != 0)
        fail("{}: head_dim is {}, wanted an even number up to 1024", fields.where, c.head_dim);
}

void read_llama3(const Fields& rope, RopeScaling& scaling) {
    for (const char* name :
         {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"})
        if (!rope.find(name)) fail("{}: '{}' is missing", rope.where, name);
    scaling.llama3 = true;
    scaling.factor = rope.number_or("factor", 1, 1e4, 1);
    scaling.low_frequency_factor = rope.number_or("low_freq_factor", 1e-3, 1e4, 1);
    scaling.high_frequency_factor = rope.number_or("high_freq_factor", 1e-3, 1e4, 4);
    scaling.original_context = rope.number_or("original_max_position_embeddings", 1, 1e9, 8192);
    if (scaling.high_frequency_factor <= scaling.low_frequency_factor)
        fail("{}: 'high_freq_factor' must be larger than 'low_freq_factor'", rope.where);
}

void read_rope(const Fields& fields, ModelConfig& c) {
    c.rope_theta = fields.number_or("rope_theta", 1, 1e12, 10000);
    const char* key = fields.find("rope_parameters") ? "rope_parameters" : "rope_scaling";
    if (const Json* object = fields.object(key)) {
        const Fields rope{*object, fields.where + ": " + key};
        for (const auto& [name, value] : object->items())
            if (value.is_object())
                fail("{}: '{}' is an object; one set for all layers is supported", rope.where,
                     printable(name));
        c.rope_theta = rope.number_or("rope_theta", 1, 1e12, c.rope_theta);
        if (rope.number_or("partial_rotary_factor", 0, 1, 1) != 1)
            fail("{}: 'partial_rotary_factor' other than 1 is not supported", rope.where);
        const auto type = rope.text_or("rope_type", rope.text_or("type", "default"));
        if (type == "llama3")
            read_llama3(rope, c.rope_scaling);
        else if (type != "default")
            fail("{}: rope type '{}' is not supported; known are default and llama3", rope.where,
                 printable(type));
    }
    const Json* factors = fields.find("rope_freqs");
    if (!factors) return;
    if (!factors->is_array() || static_cast<std::int64_t>(factors->size()) * 2 != c.head_dim)
        fail("{}: 'rope_freqs' must be a list of head_dim / 2 = {} numbers", fields.where,
             c.head_dim / 2);
    for (const auto& factor : *factors) {
        if (!factor.is_number() || !(factor.get<double>() > 0 && factor.get<double>() < 1e6))
            fail("{}: 'rope_freqs' has {}, wanted a positive number", fields.where,
                 Fields::shown(factor));
        c.rope_factors.push_back(factor.get<double>());
    }
}

void read_sliding_window(const Fields& fields, ModelConfig& c) {
    if (c.architecture->model_type == "mistral") {
        c.sliding_window = fields.count_or("sliding_window", 1, std::int64_t{1} << 31, 0);
        if (c.sliding_window >= c.context) c.sliding_window = 0;
        return;
    }
    if (fields.flag_or("use_sliding_window", false))
        fail("{}: 'use_sliding_window' is true, which is not supported for {}", fields.where,
             c.architecture->name);
    const Json* types = fields.find("layer_types");
    if (!types) return;
    if (!types->is_array())
        fail("{}: 'layer_types' is {}, wanted a list", fields.where, Fields::shown(*types));
    for (const auto& type : *types)
        if (type != "full_attention")
            fail("{}: 'layer_types' has {}; only full_attention is supported", fields.where,
                 Fields::shown(type));
}

void read_tokens(const Fields& fields, ModelConfig& c) {
    constexpr std::int64_t kLast = 1 << 22;
    c.bos_token = fields.count_or("bos_token_id", 0, kLast, -1);
    const Json* end = fields.find("eos_token_id");
    if (!end) return;
    if (!end->is_array()) {
        c.end_tokens.push_back(fields.in_range(*end, "eos_token_id", 0, kLast));
        return;
    }
    for (const auto& id : *end)
        c.end_tokens.push_back(fields.in_range(id, "eos_token_id", 0, kLast));
}

double scale_llama3(double f, const RopeScaling& s) {
    const double wavelength = 2 * std::numbers::pi / f;
    if (wavelength > s.original_context / s.low_frequency_factor) return f / s.factor;
    if (wavelength < s.original_context / s.high_frequency_factor) return f;
    const double blend = (s.original_context / wavelength - s.low_frequency_factor) /
                         (s.high_frequency_factor - s.low_frequency_factor);
    return (1 - blend) * f / s.factor + blend * f;
}

}  // namespace

std::span<const Architecture> all_architectures() {
    return kArchitectures;
}
std::span<const LinearName> block_linears() {
    return kLinears;
}

ModelConfig parse_config(const Json& config, const std::string& where) {
    if (!config.is_object()) fail("{}: wanted a JSON object, got {}", where, config.type_name());
    const Fields fields{config, where};
    ModelConfig c;
    c.architecture = &find_architecture(fields);
    refuse_unknown_features(fields, *c.architecture);
    read_sizes(fields, c);
    c.norm_eps = static_cast<float>(fields.number_or("rms_norm_eps", 1e-12, 1e-1, 1e-6));
    read_rope(fields, c);
    read_sliding_window(fields, c);
    read_tokens(fields, c);
    const bool attention_bias = fields.flag_or("attention_bias", false);
    c.qkv_bias = c.architecture->qkv_bias || attention_bias;
    c.o_bias = !c.architecture->qkv_bias && attention_bias;
    c.mlp_bias = fields.flag_or("mlp_bias", false);
    c.qk_norm = c.architecture->qk_norm;
    c.tied = fields.flag_or("tie_word_embeddings", false);
    return c;
}

std::vector<double> rope_frequencies(const ModelConfig& config) {
    std::vector<double> frequencies;
    for (std::int64_t i = 0; i < config.head_dim; i += 2) {
        double f = std::pow(config.rope_theta,
                            -static_cast<double>(i) / static_cast<double>(config.head_dim));
        if (config.rope_scaling.llama3) f = scale_llama3(f, config.rope_scaling);
        if (!config.rope_factors.empty()) f /= config.rope_factors[static_cast<std::size_t>(i / 2)];
        frequencies.push_back(f);
    }
    return frequencies;
}

std::string module_name(std::int64_t layer, std::string_view linear) {
    return fmt::format("model.layers.{}.{}", layer, linear);
}

LinearShape linear_shape(const ModelConfig& c, std::string_view linear) {
    if (linear == "self_attn.q_proj") return {c.heads * c.head_dim, c.hidden};
    if (linear == "self_attn.k_proj" || linear == "self_attn.v_proj")
        return {c.kv_heads * c.head_dim, c.hidden};
    if (linear == "self_attn.o_proj") return {c.hidden, c.heads * c.head_dim};
    if (linear == "mlp.gate_proj" || linear == "mlp.up_proj") return {c.intermediate, c.hidden};
    if (linear == "mlp.down_proj") return {c.hidden, c.intermediate};
    fail("'{}' is not a linear of a block", linear);
}

}  // namespace hb
