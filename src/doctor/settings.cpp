// SPDX-License-Identifier: Apache-2.0
// What config.json says of model and quantization, read as leniently as it can be: fields of the
// wrong type count as absent, since the checks need what is left.
#include <algorithm>

#include "core/error.hpp"
#include "doctor/patient.hpp"
#include "io/json_fields.hpp"
#include "io/strict_json.hpp"

namespace hb::doctor {
namespace {

std::string text_at(const Json& json, const char* name) {
    const Json* field = find_field(json, name);
    return field && field->is_string() ? field->get<std::string>() : "";
}

std::vector<Pattern> patterns_at(const Json& json, const char* name, Dialect dialect) {
    std::vector<Pattern> patterns;
    const Json* list = find_field(json, name);
    if (!list || !list->is_array()) return patterns;
    for (const Json& text : *list)
        if (text.is_string()) patterns.push_back(make_pattern(text.get<std::string>(), dialect));
    return patterns;
}

std::optional<Family> family_of(const std::string& format, const Json& weights) {
    const Json *symmetric = find_field(weights, "symmetric"),
               *bits = find_field(weights, "num_bits");
    const bool four = !bits || *bits == 4;
    if (format == "nvfp4-pack-quantized") return Family::nv;
    if (format == "mxfp4-pack-quantized") return Family::mx;
    if (format == "pack-quantized" && four)
        return symmetric && *symmetric == false ? Family::zeroed : Family::integer;
    if (format == "int-quantized") return Family::int8;
    if (format == "float-quantized") return Family::fp8;
    return std::nullopt;
}

void read_compressed_tensors(const Json& json, Settings& s) {
    const auto all = text_at(json, "format");
    s.ignore_name = "ignore";
    s.ignore = patterns_at(json, "ignore", Dialect::compressed_tensors);
    const Json* groups = find_field(json, "config_groups");
    if (!groups || !groups->is_object()) return;
    for (const auto& [name, group] : groups->items()) {
        const Json* weights = find_field(group, "weights");
        if (!weights) continue;
        const auto own = text_at(group, "format");
        Targets targets;
        targets.name = name;
        targets.patterns = patterns_at(group, "targets", Dialect::compressed_tensors);
        targets.family = family_of(own.empty() ? all : own, *weights);
        const Json* size = find_field(*weights, "group_size");
        if (size && size->is_number_integer()) targets.group = size->get<std::int64_t>();
        targets.activations = find_field(group, "input_activations") != nullptr;
        s.targets.push_back(std::move(targets));
    }
}

void read_fp_quant(const Json& json, Settings& s) {
    const auto type = text_at(json, "forward_dtype");
    Targets targets;
    targets.patterns.push_back(make_pattern("Linear", Dialect::compressed_tensors));
    if (type == "mxfp4") targets.family = Family::mx;
    if (type == "nvfp4") targets.family = Family::nv;
    targets.activations = true;
    s.targets.push_back(std::move(targets));
    s.ignore_name = "modules_to_not_convert";
    s.ignore = patterns_at(json, "modules_to_not_convert", Dialect::fp_quant);
    if (!find_field(json, "modules_to_not_convert"))
        s.ignore.push_back(make_pattern("lm_head", Dialect::fp_quant));
}

void read_modelopt(const Json& json, Settings& s) {
    const auto algorithm = text_at(json, "quant_algo");
    s.ignore_name = find_field(json, "exclude_modules") ? "exclude_modules" : "ignore";
    s.ignore = patterns_at(json, s.ignore_name.c_str(), Dialect::modelopt);
    if (algorithm != "NVFP4" && algorithm != "W4A16_NVFP4") return;
    Targets targets;
    targets.patterns.push_back(make_pattern("Linear", Dialect::compressed_tensors));
    targets.family = Family::nv;
    targets.activations = algorithm == "NVFP4";
    s.targets.push_back(std::move(targets));
}

std::optional<Json> settings_of_modelopt(const Patient& p) {
    try {
        const Json own = read_json_object(p.path / "hf_quant_config.json", 4 << 20);
        if (const Json* settings = find_field(own, "quantization")) return *settings;
    } catch (const Error&) {
    }
    return std::nullopt;
}

bool known_architecture(const Json& config) {
    const Json* list = find_field(config, "architectures");
    if (!list || !list->is_array() || list->size() != 1) return list == nullptr;
    const auto& known = all_architectures();
    return std::any_of(known.begin(), known.end(), [&](const auto& architecture) {
        return list->front() == architecture.name;
    });
}

}  // namespace

bool is_rotation(const Json& transform) {
    if (!transform.is_string()) return false;
    const auto text = transform.get<std::string>();
    return text != "none" && !text.starts_with("identity");
}

void read_settings(Patient& p, Findings& findings) {
    const std::string where = p.gguf ? p.path.filename().string() : "config.json";
    if (p.config) {
        try {
            p.model = parse_config(*p.config, where);
        } catch (const Error& error) {
            findings.add(known_architecture(*p.config) ? "config-wrong" : "architecture-unknown",
                         where, error.what());
        }
    }
    Settings& s = p.settings;
    const Json* json = p.config ? find_field(*p.config, "quantization_config") : nullptr;
    if (json) s.json = *json;
    if (!json && p.style == Style::modelopt)
        if (auto settings = settings_of_modelopt(p)) s.json = std::move(*settings);
    if (!s.json.is_object()) return;
    s.method = text_at(s.json, "quant_method");
    if (const Json* own = find_field(s.json, "halfbyte")) s.own = *own;
    if (p.style == Style::fp_quant)
        read_fp_quant(s.json, s);
    else if (p.style == Style::modelopt)
        read_modelopt(s.json, s), s.method = "modelopt";
    else if (s.method == "compressed-tensors" || s.method == "halfbyte")
        read_compressed_tensors(s.json, s);
    if (s.targets.empty())
        findings.add("method-unknown", where, fmt::format("quant_method {}", printable(s.method)));
}

}  // namespace hb::doctor
