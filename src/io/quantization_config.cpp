// SPDX-License-Identifier: Apache-2.0
// Reads `quantization_config`. What matters to us stands under the key "halfbyte", which other
// readers pass over; without it a checkpoint is taken as its makers' tools would.
#include "io/quantization_config.hpp"

#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "io/json_fields.hpp"
#include "io/quantization_arguments.hpp"
#include "io/strict_json.hpp"
#include "schemes/scale_rule.hpp"

namespace hb {
namespace {

constexpr std::string_view kWhere = "config.json: quantization_config";
constexpr std::size_t kMostGroups = 256;
constexpr std::int64_t kMostPatterns = 1024;  // each is tried on every linear

const Json& object_at(const Json& json, const char* name) {
    const Json* field = find_field(json, name);
    if (!field || !field->is_object()) fail("{}: '{}' is missing or not an object", kWhere, name);
    return *field;
}

// Absent, or exactly `wanted`.
void want(const Json& json, const char* name, const Json& wanted) {
    const Json* field = find_field(json, name);
    if (field && *field != wanted)
        fail("{}: '{}' is {}, wanted {}", kWhere, name, shown(*field), shown(wanted));
}

void want_empty(const Json& json, const char* name) {
    const Json* field = find_field(json, name);
    if (field && !field->empty()) fail("{}: a '{}' is not supported", kWhere, name);
}

void check_format(const std::string& format) {
    std::string known;
    for (const auto& scheme : all_schemes()) {
        const auto name = format_of(scheme.family);
        if (format == name) return;
        if (known.find(name) == known.npos)
            known += (known.empty() ? "" : ", ") + std::string(name);
    }
    fail("{}: format '{}' is not supported; known are {}", kWhere, printable(format), known);
}

const Scheme& scheme_of(const std::string& format, const Json& weights, bool activations) {
    const Json *group = find_field(weights, "group_size"),
               *symmetric = find_field(weights, "symmetric");
    const bool zero_points = symmetric && *symmetric == false;
    for (const auto& scheme : all_schemes())
        if (format_of(scheme.family) == format && scheme.quantized_activations == activations &&
            scheme.zero_points() == zero_points &&
            (scheme.by_row() ? !group : group && *group == scheme.group))
            return scheme;
    fail("{}: no scheme for format {} with group_size {}, {}zero points and {} activations", kWhere,
         format, group ? shown(*group) : "absent", zero_points ? "" : "no ",
         activations ? "quantized" : "16-bit");
}

QuantizationGroup read_group(const Json& group, const std::string& format) {
    want_empty(group, "output_activations");
    const Json& weights = object_at(group, "weights");
    const bool activations = find_field(group, "input_activations") != nullptr;
    const Scheme& scheme = scheme_of(format, weights, activations);
    const Json wanted = arguments_of(scheme), wanted_inputs = input_arguments_of(scheme);
    for (const auto& [name, value] : wanted.items()) want(weights, name.c_str(), value);
    if (const auto order = text_or(weights, "actorder", "static", kWhere);
        order != "static" && order != "weight")
        fail("{}: actorder '{}' is not supported", kWhere, printable(order));
    const auto targets = texts_or(group, "targets", {"Linear"}, kWhere);
    if (!activations) return {&scheme, "", "", targets};
    const Json& inputs = object_at(group, "input_activations");
    for (const auto& [name, value] : wanted_inputs.items()) want(inputs, name.c_str(), value);
    return {&scheme, "", scheme.family == Family::mx ? "ct-round" : "absmax", targets};
}

// Of several groups each says its format itself; the one above is theirs, or mixed-precision.
std::vector<QuantizationGroup> read_groups(const Json& config, const std::string& format) {
    const Json& groups = object_at(config, "config_groups");
    if (groups.empty() || groups.size() > kMostGroups)
        fail("{}: {} config_groups, wanted 1 to {}", kWhere, groups.size(), kMostGroups);
    std::vector<QuantizationGroup> all;
    std::set<std::string> targets;
    for (const auto& [name, group] : groups.items()) {
        if (!group.is_object())
            fail("{}: group '{}' is {}, wanted an object", kWhere, printable(name), shown(group));
        if (format == kMixed && !find_field(group, "format"))
            fail("{}: group '{}' has no 'format', which {} leaves to it", kWhere, printable(name),
                 kMixed);
        if (format != kMixed) want(group, "format", format);
        const auto own = text_or(group, "format", format, kWhere);
        check_format(own);
        all.push_back(read_group(group, own));
        for (const auto& target : all.back().targets)
            if (!targets.insert(target).second)
                fail("{}: '{}' is a target twice", kWhere, printable(target));
    }
    if (const auto n = std::count_if(targets.begin(), targets.end(),
                                     [](const auto& t) { return t.starts_with("re:"); });
        n > kMostPatterns)
        fail("{}: {} patterns among the targets, wanted at most {}", kWhere, n, kMostPatterns);
    return all;
}

void read_transforms(const Json& json, const char* field,
                     std::initializer_list<std::pair<const char*, std::string*>> texts) {
    const Json* transforms = find_field(json, field);
    if (!transforms) return;
    if (!transforms->is_object())
        fail("{}: '{}' is {}, wanted an object", kWhere, field, shown(*transforms));
    for (const auto& [name, text] : texts) *text = text_or(*transforms, name, "none", kWhere);
}

void read_rules(const Json& json, QuantizationGroup& group) {
    if (const auto name = text_or(json, "scheme", std::string(group.scheme->name), kWhere);
        name != group.scheme->name)
        fail("{}: halfbyte says scheme '{}', config_groups say '{}'", kWhere, printable(name),
             group.scheme->name);
    group.weight_rule = text_or(json, "weight_scales", "", kWhere);
    group.activation_rule = text_or(json, "activation_scales", group.activation_rule, kWhere);
}

// names: of the groups, when there are several
void read_provenance(const Json& json, const Json& names, QuantizationConfig& c) {
    if (c.groups.size() == 1) {
        read_rules(json, c.groups.front());
    } else if (const Json* rules = find_field(json, "groups")) {
        auto group = c.groups.begin();
        for (const auto& [name, unused] : names.items()) {
            if (find_field(*rules, name.c_str()))
                read_rules(object_at(*rules, name.c_str()), *group);
            ++group;
        }
    }
    read_transforms(json, "transforms",
                    {{"qkv", &c.qkv}, {"o", &c.o}, {"gate_up", &c.gate_up}, {"down", &c.down}});
    read_transforms(json, "folded", {{"residual", &c.residual}, {"heads", &c.heads}});
    c.channels = text_or(json, "channels", "plain", kWhere);
    const Json* seed = find_field(json, "seed");
    if (seed && !seed->is_number_unsigned())
        fail("{}: 'seed' is {}, wanted a whole number", kWhere, shown(*seed));
    if (seed) c.seed = seed->get<std::uint64_t>();
}

void check_rules(const QuantizationConfig& c) {
    for (const auto& [scheme, weight_rule, activation_rule, targets] : c.groups) {
        if (!weight_rule.empty()) find_scale_rule(weight_rule, scheme->family);
        if (activation_rule.empty()) continue;
        if (!find_scale_rule(activation_rule, scheme->family).online)
            fail("{}: the scale rule '{}' cannot serve activations", kWhere, activation_rule);
    }
}

}  // namespace

Json presented_config(const QuantizationConfig& config, const Json& settings,
                      const std::string& where) {
    QuantizationConfig c = config;
    const Json* own = find_field(settings, "halfbyte");
    if (!own || !own->is_object()) return to_json(c);
    try {
        read_provenance(*own, {}, c);
        check_rules(c);
    } catch (const Error& error) {
        fail("{}: {}", where, error.what());
    }
    c.qkv = config.qkv, c.o = config.o, c.gate_up = config.gate_up, c.down = config.down;
    return to_json(c);
}

std::optional<QuantizationConfig> quantization_config_of(const Json& model_config) {
    const Json* json = find_field(model_config, "quantization_config");
    if (!json) return std::nullopt;
    if (!json->is_object()) fail("{} is {}, wanted an object", kWhere, shown(*json));
    const auto method = text_or(*json, "quant_method", "absent", kWhere);
    if (method != "compressed-tensors" && method != "halfbyte")
        fail("{}: quant_method '{}' is not supported; known are compressed-tensors and halfbyte",
             kWhere, printable(method));
    want(*json, "quantization_status", "compressed");
    for (const char* name : {"kv_cache_scheme", "sparsity_config", "transform_config"})
        want_empty(*json, name);
    const auto format = text_or(*json, "format", "absent", kWhere);
    if (format != kMixed) check_format(format);
    QuantizationConfig c;
    c.groups = read_groups(*json, format);
    c.ignore = texts_or(*json, "ignore", {}, kWhere);
    const Json* own = find_field(*json, "halfbyte");
    if (own && !own->is_object())
        fail("{}: 'halfbyte' is {}, wanted an object", kWhere, shown(*own));
    if (method == "halfbyte" && !own)
        fail("{}: quant_method is halfbyte, but there is no 'halfbyte'", kWhere);
    if (own) read_provenance(*own, object_at(*json, "config_groups"), c);
    check_rules(c);
    return c;
}

}  // namespace hb
