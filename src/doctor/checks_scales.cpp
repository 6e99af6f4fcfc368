// SPDX-License-Identifier: Apache-2.0
// Scales of groups, tensors and inputs. Whether a layout's number was meant as its reciprocal is
// decided by the largest weight that it gives: with s the largest scale of a group, 6 s / d and
// 6 s d differ by d^2, some seven decades for a divisor of 2688 / amax, so that only one is a
// weight's size.
#include <algorithm>
#include <cmath>

#include "doctor/checks.hpp"
#include "io/strict_json.hpp"
#include "schemes/scale_rule.hpp"

namespace hb::doctor {
namespace {

// Largest weights of a layer that real models have are some .1 to 10.
constexpr float kLeast = 1e-5f, kMost = 1e4f;
// Largest inputs: .1 to some thousands.
constexpr float kLeastInput = 1e-4f, kMostInput = 1e6f;

bool multiplies(const Patient& p) {
    return p.style == Style::modelopt || p.style == Style::gguf;
}

bool usable(float x) {
    return x > 0 && std::isfinite(x);
}

float largest_weight(const Module& m, float divisor) {
    return largest_code(*m.family) * m.groups.largest / divisor;
}

bool plausible(float weight) {
    return weight >= kLeast && weight <= kMost;
}

// x for a stored 1 / x, where exactly one number has that reciprocal.
bool exactly_reversible(float stored) {
    const float x = 1 / stored;
    return 1 / x == stored && 1 / std::nextafter(x, 0.f) != stored &&
           1 / std::nextafter(x, INFINITY) != stored;
}

// What halfbyte wrote of the module's group, or of the only one.
Json recorded_rules(const Patient& p, const std::string& name) {
    if (!p.settings.own.is_object()) return Json::object();
    const auto groups = p.settings.own.find("groups");
    if (groups == p.settings.own.end()) return p.settings.own;
    const Targets* targets = targets_of(p, name);
    if (!targets || !groups->is_object() || !groups->contains(targets->name)) return Json::object();
    const Json& rules = (*groups)[targets->name];
    return rules.is_object() ? rules : Json::object();
}

// By the rule that is recorded; without a record FP-Quant's own is taken, which has it.
bool wants_factor(const Patient& p, const std::string& name, const Module& m) {
    if (m.family != Family::mx) return false;
    const Json recorded = recorded_rules(p, name).value("weight_scales", Json());
    for (const auto& rule : all_scale_rules())
        if (rule.family == Family::mx && recorded == rule.name) return rule.divisor(1) != 1;
    return p.style == Style::fp_quant;
}

void check_magnitude(const Patient& p, const std::string& name, const Module& m, float stored,
                     Findings& findings) {
    if (!m.groups.scanned || m.groups.largest == 0) return;
    const float divisor = multiplies(p) ? 1 / stored : stored;
    const float weight = largest_weight(m, divisor), reversed = largest_weight(m, 1 / divisor);
    const auto where = tensor_name(p, name, m.has(kGlobal) ? kGlobal : kScales);
    if (plausible(weight)) return;
    if (m.has(kGlobal) && plausible(reversed))
        findings.add("reciprocal-reversed", where,
                     fmt::format("{}: largest weight {:.3g}; {:.3g} were it 1 / {}", stored, weight,
                                 reversed, stored),
                     p.style != Style::gguf && exactly_reversible(stored) &&
                         p.tensor(m, kGlobal)->dtype == "F32");
    else
        findings.add("magnitude-absurd", where,
                     fmt::format("{}: largest weight {:.3g}", stored, weight));
}

void check_factor(const Patient& p, const std::string& name, const Module& m, Findings& findings) {
    const float divisor = !m.divisor ? 1 : multiplies(p) ? 1 / *m.divisor : *m.divisor;
    const bool three = p.style == Style::fp_quant;
    if (!m.has(kGlobal) || (three && usable(divisor) && divisor != 3))
        findings.add("factor-three-missing", tensor_name(p, name, kGlobal),
                     m.has(kGlobal) ? fmt::format("{}, wanted 3", divisor) : "absent");
}

// FP-Quant's clients divide the scales of MXFP4 inputs by this.
void check_input_factor(const Patient& p, const std::string& name, const Module& m,
                        Findings& findings) {
    if (p.style != Style::fp_quant || m.family != Family::mx || !m.input_divisor) return;
    if (usable(*m.input_divisor) && *m.input_divisor != 3)
        findings.add("factor-three-missing", tensor_name(p, name, kInput),
                     fmt::format("{}, wanted 3", *m.input_divisor));
}

struct Site {
    std::string_view what;
    std::vector<std::string_view> linears;
};

void check_site(const Patient& p, const std::string& block, const Site& site, Part part,
                std::string_view kind, Findings& findings) {
    std::vector<std::pair<std::string, float>> values;
    for (const auto linear : site.linears) {
        const auto name = block + std::string(linear);
        const Module* m = p.module(name);
        if (!m || m->family != Family::nv) continue;
        const auto value = part == kGlobal ? m->divisor : m->input_divisor;
        if (value && usable(*value)) values.emplace_back(name, *value);
    }
    if (values.empty()) return;
    float least = values[0].second, most = least;
    std::string list;
    for (const auto& [name, value] : values) {
        least = std::min(least, value), most = std::max(most, value);
        list += fmt::format("{}{} {}", list.empty() ? "" : ", ", name.substr(name.rfind('.') + 1),
                            value);
    }
    if (most <= least * 1.000001f) return;  // more than the roundings of a reciprocal
    findings.add(kind, tensor_name(p, values[0].first, part), list);
}

}  // namespace

void check_group_scales(const Patient& p, Findings& findings) {
    struct Row {
        ScaleFault fault;
        std::string_view kind, what;
    };
    static constexpr Row kRows[] = {{kNan, "scale-nan", "NaN"},
                                    {kInfinite, "scale-infinite", "infinite"},
                                    {kNegative, "scale-negative", "negative"},
                                    {kZero, "scale-zero", "zero over codes that are not"},
                                    {kSubnormal, "scale-subnormal", "subnormal"},
                                    {kCoarse, "scale-coarse", "subnormal in E4M3"},
                                    {kOverflow, "scale-overflow", "too large for bf16"}};
    for (const auto& [name, m] : p.modules) {
        if (!m.groups.scanned) continue;
        const Part part = p.style == Style::gguf ? kCodes : kScales;
        const auto across = static_cast<std::uint64_t>(m.cols / m.group);
        for (const Row& row : kRows) {
            const auto n = m.groups.faults[row.fault], first = m.groups.first[row.fault];
            if (n == 0) continue;
            findings.add(row.kind, tensor_name(p, name, part),
                         fmt::format("{} of {} scales are {}, the first in row {}, group {}", n,
                                     m.groups.groups, row.what, first / across, first % across));
        }
    }
}

void check_global_scales(const Patient& p, Findings& findings) {
    for (const auto& [name, m] : p.modules) {
        if (!m.quantized() || !m.family) continue;
        const auto where = tensor_name(p, name, kGlobal);
        const bool needed = m.family == Family::nv && p.style != Style::gguf;
        if (!m.has(kGlobal) && needed) {
            findings.add("global-scale-missing", where, "absent");
            continue;
        }
        if (m.has(kGlobal) && !m.divisor) {
            const Tensor* t = p.tensor(m, kGlobal);
            if (t->whole)
                findings.add(
                    "shape-wrong", t->name,
                    fmt::format("{} [{}], wanted one number", t->dtype, fmt::join(t->shape, ", ")));
            continue;
        }
        if (m.divisor && !usable(*m.divisor)) {
            findings.add("global-scale-invalid", where, fmt::format("{}", *m.divisor));
            continue;
        }
        if (wants_factor(p, name, m)) check_factor(p, name, m, findings);
        check_input_factor(p, name, m, findings);
        check_magnitude(p, name, m, m.divisor.value_or(1), findings);
    }
}

void check_input_scales(const Patient& p, Findings& findings) {
    for (const auto& [name, m] : p.modules) {
        if (!m.quantized() || m.family != Family::nv) continue;
        const auto where = tensor_name(p, name, kInput);
        const Targets* targets = targets_of(p, name);
        if (!m.has(kInput)) {
            if (targets && targets->activations && p.style != Style::gguf)
                findings.add("input-scale-missing", where, "absent");
            continue;
        }
        if (!m.input_divisor) continue;
        const float stored = *m.input_divisor;
        const float divisor = multiplies(p) ? 1 / stored : stored, input = 2688 / divisor;
        if (!usable(stored))
            findings.add("input-scale-invalid", where, fmt::format("{}", stored));
        else if (!(input >= kLeastInput && input <= kMostInput))
            findings.add("input-scale-absurd", where,
                         fmt::format("{}, for inputs up to {:.3g}", stored, input));
        else if (targets && !targets->activations && p.style != Style::gguf)
            findings.add("input-scale-unused", where, fmt::format("{}", stored));
    }
}

// llama.cpp multiplies every matrix by itself.
void check_fused(const Patient& p, Findings& findings) {
    if (p.style == Style::gguf) return;
    static const Site kSites[] = {
        {"qkv", {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}},
        {"gate_up", {"mlp.gate_proj", "mlp.up_proj"}}};
    for (const Site& site : kSites)
        for (const auto& [name, m] : p.modules) {
            if (!name.ends_with(site.linears[0])) continue;
            const auto block = name.substr(0, name.size() - site.linears[0].size());
            check_site(p, block, site, kGlobal, "fused-scales-differ", findings);
            check_site(p, block, site, kInput, "fused-inputs-differ", findings);
        }
}

}  // namespace hb::doctor
