// SPDX-License-Identifier: Apache-2.0
// What the configuration says of the quantization, against what the tensors are.
#include <cmath>
#include <set>

#include "doctor/checks.hpp"
#include "io/json_fields.hpp"
#include "io/strict_json.hpp"
#include "schemes/family_names.hpp"
#include "schemes/scale_rule.hpp"

namespace hb::doctor {
namespace {

std::string config_place(const Patient& p) {
    return p.style == Style::gguf ? p.path.filename().string() + ": halfbyte.config"
                                  : "config.json: quantization_config";
}

// Every name that a pattern could mean: modules, and what they lie in.
std::set<std::string> module_names(const Patient& p) {
    std::set<std::string> names{"lm_head"};
    for (const auto& [module, m] : p.modules)
        for (std::size_t dot = 0; dot != std::string::npos; dot = module.find('.', dot + 1))
            names.insert(dot == 0 ? module : module.substr(0, dot));
    return names;
}

void check_list(const Patient& p, const std::vector<Pattern>& patterns, const std::string& field,
                const std::set<std::string>& names, Findings& findings) {
    for (const Pattern& pattern : patterns) {
        const auto where = config_place(p) + ": " + field;
        if (!pattern.readable) {
            findings.add("pattern-unreadable", where, printable(pattern.text));
            continue;
        }
        if (pattern.is_class()) continue;
        bool found = false;
        for (const auto& name : names) found = found || pattern.matches(name);
        if (!found) findings.add("pattern-matches-nothing", where, printable(pattern.text));
    }
}

bool rotated_online(const Settings& s) {
    const Json* sites = find_field(s.own, "transforms");
    if (!sites || !sites->is_object()) return false;
    for (const auto& [site, transform] : sites->items())
        if (is_rotation(transform)) return true;
    return false;
}

// A rotation has rows of length 1 that are orthogonal to each other.
bool orthogonal(const std::vector<float>& m, std::int64_t n) {
    for (std::int64_t a = 0; a < n; ++a)
        for (std::int64_t b = a; b < n; ++b) {
            double sum = 0;
            for (std::int64_t i = 0; i < n; ++i)
                sum += double{m[static_cast<std::size_t>(a * n + i)]} *
                       double{m[static_cast<std::size_t>(b * n + i)]};
            if (!(std::abs(sum - (a == b)) < 0.05)) return false;
        }
    return true;
}

}  // namespace

void check_patterns(const Patient& p, Findings& findings) {
    if (p.modules.empty()) return;
    const auto names = module_names(p);
    check_list(p, p.settings.ignore, p.settings.ignore_name, names, findings);
    for (const Targets& targets : p.settings.targets)
        check_list(p, targets.patterns, "targets", names, findings);
}

void check_coverage(const Patient& p, Findings& findings) {
    if (p.settings.targets.empty() || p.style == Style::gguf) return;
    const bool list = p.settings.json.contains(p.settings.ignore_name);
    for (const auto& [name, m] : p.modules) {
        if (m.quantized() && ignored(p, name))
            findings.add("ignored-but-quantized", name,
                         fmt::format("on the list '{}'", p.settings.ignore_name), list);
        else if (!m.quantized() && m.has(kWeight) && is_linear(name) &&
                 p.tensor(m, kWeight)->shape.size() == 2 && targets_of(p, name) &&
                 !ignored(p, name))
            findings.add("dense-but-not-ignored", name,
                         fmt::format("{}, not on the list '{}'", p.tensor(m, kWeight)->dtype,
                                     p.settings.ignore_name),
                         list);
    }
}

void check_formats(const Patient& p, Findings& findings) {
    for (const auto& [name, m] : p.modules) {
        if (!m.quantized()) continue;
        if (p.settings.targets.empty()) {
            if (p.style != Style::gguf && p.settings.json.is_null())
                findings.add("format-mismatch", name,
                             "quantized, but config.json has no quantization_config");
            continue;
        }
        const Targets* targets = targets_of(p, name);
        if (!targets || !targets->family || !m.family) continue;
        if (*targets->family != *m.family)
            findings.add("format-mismatch", name,
                         fmt::format("the tensors are {}, the configuration says {}",
                                     names_of(*m.family).title, names_of(*targets->family).title));
        else if (targets->group > 0 && m.group > 0 && targets->group != m.group)
            findings.add("format-mismatch", name,
                         fmt::format("{} elements to a scale, the configuration says {}", m.group,
                                     targets->group));
    }
}

void check_settings(const Patient& p, Findings& findings) {
    const Settings& s = p.settings;
    const auto where = config_place(p);
    if (const Json* sparsity = find_field(s.json, "sparsity_config");
        sparsity && !sparsity->empty())
        findings.add("sparsity-unsupported", where + ": sparsity_config", shown(*sparsity));
    if (p.style != Style::compressed_tensors) return;
    const Json* groups = find_field(s.json, "config_groups");
    if (!groups || !groups->is_object()) return;
    std::size_t i = 0;
    for (const auto& [name, group] : groups->items()) {
        const auto place = where + ": config_groups: " + printable(name);
        const Json *weights = find_field(group, "weights"),
                   *inputs = find_field(group, "input_activations");
        if (weights)
            if (const Json* order = find_field(*weights, "actorder"); order && *order == "group")
                findings.add("actorder-unsupported", place, "actorder group");
        if (const Json* format = find_field(s.json, "format");
            weights && format && *format == "mixed-precision" && !find_field(group, "format"))
            findings.add("group-format-missing", place, "no format");
        const bool counted = weights && i < s.targets.size();
        const auto family = counted ? s.targets[i].family : std::nullopt;
        i += weights != nullptr;
        if (inputs && (family == Family::nv || family == Family::mx) &&
            !find_field(*inputs, "scale_dtype"))
            findings.add("activation-scale-dtype-missing", place + ": input_activations",
                         "no scale_dtype", true);
    }
}

void check_rotation(const Patient& p, Findings& findings) {
    const auto where = config_place(p);
    if (const Json* transform = find_field(p.settings.json, "transform_config");
        transform && !transform->empty())
        findings.add("rotation-ignored", where + ": transform_config", shown(*transform));
    if (rotated_online(p.settings) &&
        (p.style == Style::gguf || p.settings.method == "compressed-tensors" ||
         p.style == Style::modelopt))
        findings.add("rotation-under-plain-method", where,
                     printable(find_field(p.settings.own, "transforms")
                                   ->dump(-1, ' ', true, Json::error_handler_t::replace)));
    if (p.style != Style::fp_quant) return;
    const Json* size = find_field(p.settings.json, "hadamard_group_size");
    for (const auto& [name, m] : p.modules) {
        if (!m.quantized()) continue;
        const Tensor* t = p.tensor(m, kRotation);
        if (!t || !t->whole || !t->type || !t->type->plain()) continue;
        const auto n = t->rows();
        if (t->shape.size() != 2 || t->shape[1] != n || n > 256 || (size && *size != n)) {
            findings.add("rotation-matrix-wrong", t->name,
                         fmt::format("[{}], hadamard_group_size is {}", fmt::join(t->shape, ", "),
                                     size ? size->dump() : "absent"));
            continue;
        }
        std::vector<float> values(static_cast<std::size_t>(n * n));
        t->type->decode(p.bytes(*t).data(), n * n, values.data());
        if (!orthogonal(values, n))
            findings.add("rotation-matrix-wrong", t->name, "not orthogonal");
    }
}

}  // namespace hb::doctor
