// SPDX-License-Identifier: Apache-2.0
// `quantization_config` in both directions. What matters to us stands under the key "halfbyte",
// which other readers pass over; without it a checkpoint is taken as its makers' tools would.
#include "io/quantization_config.hpp"

#include <algorithm>
#include <regex>

#include "core/error.hpp"
#include "io/strict_json.hpp"
#include "schemes/scale_rule.hpp"

namespace hb {
namespace {

std::string_view format_of(Family family) {
    switch (family) {
        case Family::mx:
            return "mxfp4-pack-quantized";
        case Family::nv:
            return "nvfp4-pack-quantized";
        case Family::int8:
            return "int-quantized";
        case Family::fp8:
            return "float-quantized";
        default:
            return "pack-quantized";
    }
}

bool needs_divisor(const std::string& rule, Family family) {
    return family == Family::mx && !rule.empty() && find_scale_rule(rule, family).divisor(1) != 1;
}

Json arguments_of(const Scheme& scheme) {
    const Family family = scheme.family;
    const bool floats = family == Family::mx || family == Family::nv || family == Family::fp8;
    Json json;
    json["num_bits"] = scheme.element_bits();
    json["type"] = floats ? "float" : "int";
    json["symmetric"] = !scheme.zero_points();
    json["strategy"] = scheme.by_row()        ? "channel"
                       : family == Family::nv ? "tensor_group"
                                              : "group";
    json["group_size"] = scheme.by_row() ? Json() : Json(scheme.group);
    json["dynamic"] = false;
    if (scheme.family == Family::nv) json["scale_dtype"] = "torch.float8_e4m3fn";
    if (scheme.family == Family::mx) json["scale_dtype"] = "torch.uint8";
    return json;
}

// Of the layer's input.
Json input_arguments_of(const Scheme& scheme) {
    Json json = arguments_of(scheme);
    json["dynamic"] = scheme.family == Family::nv ? Json("local") : Json(true);
    if (scheme.by_row()) json["strategy"] = "token";
    return json;
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

Json rules_of(const QuantizationGroup& group) {
    return {{"scheme", group.scheme->name},
            {"weight_scales", group.weight_rule},
            {"activation_scales", group.activation_rule}};
}

Json provenance_of(const QuantizationConfig& c) {
    Json json = rules_of(c.groups.front());
    json["transforms"] = {{"qkv", c.qkv}, {"o", c.o}, {"gate_up", c.gate_up}, {"down", c.down}};
    if (c.residual != "none" || c.heads != "none")
        json["folded"] = {{"residual", c.residual}, {"heads", c.heads}};
    json["seed"] = c.seed;
    return json;
}

constexpr std::string_view kWhere = "config.json: quantization_config";

std::string shown(const Json& json) {
    return printable(json.dump(-1, ' ', true, Json::error_handler_t::replace), 80);
}

const Json* find(const Json& json, const char* name) {
    const auto it = json.find(name);
    return it == json.end() || it->is_null() ? nullptr : &*it;
}

const Json& object_at(const Json& json, const char* name) {
    const Json* field = find(json, name);
    if (!field || !field->is_object()) fail("{}: '{}' is missing or not an object", kWhere, name);
    return *field;
}

// Absent, or exactly `wanted`.
void want(const Json& json, const char* name, const Json& wanted) {
    const Json* field = find(json, name);
    if (field && *field != wanted)
        fail("{}: '{}' is {}, wanted {}", kWhere, name, shown(*field), shown(wanted));
}

void want_empty(const Json& json, const char* name) {
    const Json* field = find(json, name);
    if (field && !field->empty()) fail("{}: a '{}' is not supported", kWhere, name);
}

std::string text_or(const Json& json, const char* name, std::string otherwise) {
    const Json* field = find(json, name);
    if (!field) return otherwise;
    if (!field->is_string()) fail("{}: '{}' is {}, wanted a text", kWhere, name, shown(*field));
    return field->get<std::string>();
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
    const Json *group = find(weights, "group_size"), *symmetric = find(weights, "symmetric");
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

QuantizationGroup read_group(const Json& config, const std::string& format) {
    const Json& groups = object_at(config, "config_groups");
    if (groups.size() != 1 || !groups.front().is_object())
        fail("{}: {} config_groups; exactly one is supported", kWhere, groups.size());
    const Json& group = groups.front();
    want(group, "targets", Json::array({"Linear"}));
    want(group, "format", format);
    want_empty(group, "output_activations");
    const Json& weights = object_at(group, "weights");
    const bool activations = find(group, "input_activations") != nullptr;
    const Scheme& scheme = scheme_of(format, weights, activations);
    const Json wanted = arguments_of(scheme), wanted_inputs = input_arguments_of(scheme);
    for (const auto& [name, value] : wanted.items()) want(weights, name.c_str(), value);
    if (const auto order = text_or(weights, "actorder", "static");
        order != "static" && order != "weight")
        fail("{}: actorder '{}' is not supported", kWhere, printable(order));
    if (!activations) return {&scheme, "", ""};
    const Json& inputs = object_at(group, "input_activations");
    for (const auto& [name, value] : wanted_inputs.items()) want(inputs, name.c_str(), value);
    return {&scheme, "", scheme.family == Family::mx ? "ct-round" : "absmax"};
}

void read_transforms(const Json& json, const char* field,
                     std::initializer_list<std::pair<const char*, std::string*>> texts) {
    const Json* transforms = find(json, field);
    if (!transforms) return;
    if (!transforms->is_object())
        fail("{}: '{}' is {}, wanted an object", kWhere, field, shown(*transforms));
    for (const auto& [name, text] : texts) *text = text_or(*transforms, name, "none");
}

void read_rules(const Json& json, QuantizationGroup& group) {
    if (const auto name = text_or(json, "scheme", std::string(group.scheme->name));
        name != group.scheme->name)
        fail("{}: halfbyte says scheme '{}', config_groups say '{}'", kWhere, printable(name),
             group.scheme->name);
    group.weight_rule = text_or(json, "weight_scales", "");
    group.activation_rule = text_or(json, "activation_scales", group.activation_rule);
}

void read_provenance(const Json& json, QuantizationConfig& c) {
    read_rules(json, c.groups.front());
    read_transforms(json, "transforms",
                    {{"qkv", &c.qkv}, {"o", &c.o}, {"gate_up", &c.gate_up}, {"down", &c.down}});
    read_transforms(json, "folded", {{"residual", &c.residual}, {"heads", &c.heads}});
    const Json* seed = find(json, "seed");
    if (seed && !seed->is_number_unsigned())
        fail("{}: 'seed' is {}, wanted a whole number", kWhere, shown(*seed));
    if (seed) c.seed = seed->get<std::uint64_t>();
}

bool matches(const std::string& pattern, const std::string& module) {
    if (!pattern.starts_with("re:")) return pattern == module;
    try {
        return std::regex_search(module, std::regex(pattern.substr(3)),
                                 std::regex_constants::match_continuous);
    } catch (const std::regex_error&) {
        fail("'{}' is not a regular expression", printable(pattern));
    }
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

bool QuantizationConfig::ignores(const std::string& module) const {
    return std::any_of(ignore.begin(), ignore.end(),
                       [&](const std::string& pattern) { return matches(pattern, module); });
}

const QuantizationGroup* QuantizationConfig::find_group(const std::string& module) const {
    const auto rank = [](const std::string& target) {
        return target == "Linear" ? 2 : target.starts_with("re:") ? 1 : 0;
    };
    const QuantizationGroup* best = nullptr;
    const std::string* by = nullptr;
    for (const auto& group : groups) {
        for (const auto& target : group.targets) {
            const bool sooner = !by || std::pair(rank(target), target) < std::pair(rank(*by), *by);
            if (sooner && (target == "Linear" || matches(target, module)))
                best = &group, by = &target;
        }
    }
    return best;
}

const QuantizationGroup& QuantizationConfig::group_of(const std::string& module) const {
    if (const auto* group = find_group(module)) return *group;
    fail("{}: no target of config_groups is '{}'", kWhere, printable(module));
}

bool QuantizationConfig::quantizes_activations() const {
    return std::any_of(groups.begin(), groups.end(),
                       [](const auto& group) { return group.scheme->quantized_activations; });
}

Json to_json(const QuantizationConfig& c) {
    const bool ours = c.online_transform() ||
                      std::any_of(c.groups.begin(), c.groups.end(), [](const auto& group) {
                          return needs_divisor(group.weight_rule, group.scheme->family) ||
                                 needs_divisor(group.activation_rule, group.scheme->family);
                      });
    Json json;
    json["quant_method"] = ours ? "halfbyte" : "compressed-tensors";
    json["format"] = format_of(c.groups.front().scheme->family);
    json["quantization_status"] = "compressed";
    json["version"] = "0.20.0";
    json["ignore"] = c.ignore;
    json["kv_cache_scheme"] = nullptr;
    json["global_compression_ratio"] = nullptr;
    json["sparsity_config"] = Json::object();
    json["transform_config"] = Json::object();
    json["config_groups"] = {{"group_0", group_json(c.groups.front())}};
    json["halfbyte"] = provenance_of(c);
    return json;
}

Json presented_config(const QuantizationConfig& config, const Json& settings,
                      const std::string& where) {
    QuantizationConfig c = config;
    const Json* own = find(settings, "halfbyte");
    if (!own || !own->is_object()) return to_json(c);
    try {
        read_provenance(*own, c);
        check_rules(c);
    } catch (const Error& error) {
        fail("{}: {}", where, error.what());
    }
    c.qkv = config.qkv, c.o = config.o, c.gate_up = config.gate_up, c.down = config.down;
    return to_json(c);
}

std::optional<QuantizationConfig> quantization_config_of(const Json& model_config) {
    const Json* json =
        model_config.is_object() ? find(model_config, "quantization_config") : nullptr;
    if (!json) return std::nullopt;
    if (!json->is_object()) fail("{} is {}, wanted an object", kWhere, shown(*json));
    const auto method = text_or(*json, "quant_method", "absent");
    if (method != "compressed-tensors" && method != "halfbyte")
        fail("{}: quant_method '{}' is not supported; known are compressed-tensors and halfbyte",
             kWhere, printable(method));
    want(*json, "quantization_status", "compressed");
    for (const char* name : {"kv_cache_scheme", "sparsity_config", "transform_config"})
        want_empty(*json, name);
    const auto format = text_or(*json, "format", "absent");
    check_format(format);
    QuantizationConfig c;
    c.groups = {read_group(*json, format)};
    if (const Json* ignore = find(*json, "ignore")) {
        if (!ignore->is_array()) fail("{}: 'ignore' is {}, wanted a list", kWhere, shown(*ignore));
        for (const auto& name : *ignore) {
            if (!name.is_string()) fail("{}: 'ignore' has {}, wanted names", kWhere, shown(name));
            c.ignore.push_back(name.get<std::string>());
        }
    }
    const Json* own = find(*json, "halfbyte");
    if (own && !own->is_object())
        fail("{}: 'halfbyte' is {}, wanted an object", kWhere, shown(*own));
    if (method == "halfbyte" && !own)
        fail("{}: quant_method is halfbyte, but there is no 'halfbyte'", kWhere);
    if (own) read_provenance(*own, c);
    check_rules(c);
    return c;
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
