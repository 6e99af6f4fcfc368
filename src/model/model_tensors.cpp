// SPDX-License-Identifier: Apache-2.0
#include "model/model_tensors.hpp"

#include "core/error.hpp"
#include "io/quantization_config.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

struct Checker {
    const Checkpoint& checkpoint;
    std::optional<QuantizationConfig> quantization;

    std::string where() const { return checkpoint.path().string(); }

    const TensorInfo& find(const std::string& name) const {
        const TensorInfo* info = checkpoint.find(name);
        if (!info) fail("{}: tensor '{}' is missing", where(), name);
        return *info;
    }
    void shape(const std::string& name, std::vector<std::int64_t> wanted) const {
        const TensorInfo& info = find(name);
        if (info.shape != wanted)
            fail("{}: tensor '{}' has shape [{}], config.json wants [{}]", where(), name,
                 fmt::join(info.shape, ", "), fmt::join(wanted, ", "));
    }
    void dense(const std::string& name, std::vector<std::int64_t> wanted) const {
        shape(name, std::move(wanted));
        const auto& dtype = find(name).dtype;
        if (dtype != "BF16" && dtype != "F16" && dtype != "F32")
            fail("{}: tensor '{}' is {}, wanted BF16, F16 or F32", where(), name, dtype);
    }
    void typed(const std::string& name, std::vector<std::int64_t> wanted,
               std::string_view dtype) const {
        shape(name, std::move(wanted));
        if (find(name).dtype != dtype)
            fail("{}: tensor '{}' is {}, wanted {}", where(), name, find(name).dtype, dtype);
    }
    // Codes of 8 bits are a tensor `weight` too.
    bool quantized(const std::string& module) const {
        if (checkpoint.has(module + ".weight_packed") || checkpoint.has(module + ".weight_scale"))
            return true;
        const TensorInfo* weight = checkpoint.find(module + ".weight");
        const auto* group = quantization ? quantization->find_group(module) : nullptr;
        return group && weight && weight->dtype == packed_layout(*group->scheme, 1, 1).codes.dtype;
    }
    void linear(const std::string& module, LinearShape s) const {
        if (!quantized(module)) return dense(module + ".weight", {s.out, s.in});
        if (!quantization)
            fail("{}: '{}' is quantized, but config.json has no quantization_config", where(),
                 module);
        const Scheme& scheme = *quantization->group_of(module).scheme;
        if (!scheme.divides(s.in))
            fail("{}: '{}' has {} columns, not a multiple of {}'s group {}", where(), module, s.in,
                 scheme.name, scheme.group);
        const PackedLayout layout = packed_layout(scheme, s.out, s.in);
        for (const PackedPart* part : {&layout.codes, &layout.scales, &layout.zeros})
            if (!part->name.empty()) typed(module + part->name, part->shape, part->dtype);
        const bool nv = scheme.family == Family::nv;
        if (nv) typed(module + ".weight_global_scale", {1}, "F32");
        if (nv && scheme.quantized_activations) typed(module + ".input_global_scale", {1}, "F32");
    }
};

void check_block(const Checker& check, const ModelConfig& c, std::int64_t layer) {
    check.dense(module_name(layer, "input_layernorm.weight"), {c.hidden});
    check.dense(module_name(layer, "post_attention_layernorm.weight"), {c.hidden});
    if (c.qk_norm) {
        check.dense(module_name(layer, "self_attn.q_norm.weight"), {c.head_dim});
        check.dense(module_name(layer, "self_attn.k_norm.weight"), {c.head_dim});
    }
    for (const auto& linear : block_linears()) {
        const auto module = module_name(layer, linear.name);
        const auto shape = linear_shape(c, linear.name);
        check.linear(module, shape);
        const bool bias = linear.site == 0 ? c.qkv_bias : linear.site == 1 ? c.o_bias : c.mlp_bias;
        if (bias)
            check.dense(module + ".bias", {shape.out});
        else if (check.checkpoint.has(module + ".bias"))
            fail("{}: tensor '{}.bias' is there, but config.json says no bias", check.where(),
                 module);
    }
}

}  // namespace

ModelConfig model_config(const Checkpoint& checkpoint) {
    const auto path = checkpoint.path();
    const bool folder = std::filesystem::is_directory(path);
    return parse_config(checkpoint.config(),
                        folder ? (path / "config.json").string() : path.string());
}

void check_model_tensors(const Checkpoint& checkpoint, const ModelConfig& config) {
    const Checker check{checkpoint, quantization_config_of(checkpoint.config())};
    for (const auto& tensor : checkpoint.tensors())
        if (tensor.name.find(".experts.") != std::string::npos)
            fail("{}: tensor '{}': mixtures of experts are not supported", check.where(),
                 printable(tensor.name));
    check.dense("model.embed_tokens.weight", {config.vocab, config.hidden});
    check.dense("model.norm.weight", {config.hidden});
    if (!config.tied) check.dense("lm_head.weight", {config.vocab, config.hidden});
    for (std::int64_t layer = 0; layer < config.layers; ++layer) check_block(check, config, layer);
}

}  // namespace hb
