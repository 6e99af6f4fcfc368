// SPDX-License-Identifier: Apache-2.0
// Writes `quantization_config`: compressed-tensors' fields, and under the key "halfbyte" what they
// have no place for.
#include <algorithm>

#include "core/error.hpp"
#include "io/quantization_arguments.hpp"
#include "io/quantization_config.hpp"
#include "schemes/scale_rule.hpp"

namespace hb {
namespace {

bool needs_divisor(const std::string& rule, Family family) {
    return family == Family::mx && !rule.empty() && find_scale_rule(rule, family).divisor(1) != 1;
}

Json group_json(const QuantizationGroup& group) {
    const Scheme& scheme = *group.scheme;
    Json json;
    json["targets"] = group.targets;
    json["format"] = format_of(scheme.family);
    json["weights"] = arguments_of(scheme);
    json["input_activations"] = nullptr;
    if (scheme.quantized_activations) {
        Json inputs = input_arguments_of(scheme);
        if (scheme.family == Family::nv) inputs["observer"] = "static_minmax";
        json["input_activations"] = inputs;
    }
    json["output_activations"] = nullptr;
    return json;
}

std::string group_name(std::size_t i) {
    return fmt::format("group_{}", i);
}

std::string_view format_of(const QuantizationConfig& c) {
    const auto first = format_of(c.groups.front().scheme->family);
    const bool same = std::all_of(c.groups.begin(), c.groups.end(), [&](const auto& group) {
        return format_of(group.scheme->family) == first;
    });
    return same ? first : kMixed;
}

Json provenance_of(const QuantizationConfig& c) {
    Json json = Json::object();
    if (c.groups.size() == 1) json = rules_of(c.groups.front());
    for (std::size_t i = 0; c.groups.size() > 1 && i < c.groups.size(); ++i)
        json["groups"][group_name(i)] = rules_of(c.groups[i]);
    json["transforms"] = {{"qkv", c.qkv}, {"o", c.o}, {"gate_up", c.gate_up}, {"down", c.down}};
    if (c.residual != "none" || c.heads != "none")
        json["folded"] = {{"residual", c.residual}, {"heads", c.heads}};
    if (c.channels != "plain") json["channels"] = c.channels;
    json["seed"] = c.seed;
    return json;
}

}  // namespace

Json rules_of(const QuantizationGroup& group) {
    return {{"scheme", group.scheme->name},
            {"weight_scales", group.weight_rule},
            {"activation_scales", group.activation_rule}};
}

Json to_json(const QuantizationConfig& c) {
    const bool ours = c.online_transform() ||
                      std::any_of(c.groups.begin(), c.groups.end(), [](const auto& group) {
                          return needs_divisor(group.weight_rule, group.scheme->family) ||
                                 needs_divisor(group.activation_rule, group.scheme->family);
                      });
    Json json;
    json["quant_method"] = ours ? "halfbyte" : "compressed-tensors";
    json["format"] = format_of(c);
    json["quantization_status"] = "compressed";
    json["version"] = "0.20.0";
    json["ignore"] = c.ignore;
    json["kv_cache_scheme"] = nullptr;
    json["global_compression_ratio"] = nullptr;
    json["sparsity_config"] = Json::object();
    json["transform_config"] = Json::object();
    for (std::size_t i = 0; i < c.groups.size(); ++i)
        json["config_groups"][group_name(i)] = group_json(c.groups[i]);
    json["halfbyte"] = provenance_of(c);
    return json;
}

void check_layout(const QuantizationConfig& c) {
    if (c.online_transform()) return;
    std::vector<std::string_view> fitting;
    for (const auto& rule : all_scale_rules())
        if (rule.family == Family::mx && rule.divisor(1) == 1) fitting.push_back(rule.name);
    for (const auto& group : c.groups)
        for (const auto& [rule, option] :
             {std::pair{&group.weight_rule, "--weight-scales"},
              std::pair{&group.activation_rule, "--activation-scales"}})
            if (needs_divisor(*rule, group.scheme->family))
                fail(
                    "the scale rule '{}' divides by 3, which plain {} files cannot hold: use {} "
                    "with one of {}, or an online transform",
                    *rule, group.scheme->name, option, fmt::join(fitting, ", "));
}

}  // namespace hb
