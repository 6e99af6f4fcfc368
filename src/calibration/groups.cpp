// SPDX-License-Identifier: Apache-2.0
// Clients agree that a name counts before a pattern and a pattern before a class, but not which of
// two patterns counts: compressed-tensors takes the first in the alphabet, vLLM the first in the
// file. Hence a linear may match patterns of one scheme only, names stand first in the file, and
// the class last.
#include "calibration/groups.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace hb {
namespace {

constexpr std::string_view kPattern = "re:";

struct SchemeFor {
    std::string target;
    const Scheme* scheme = nullptr;
};

// A pattern may have '=' in it, a scheme has not.
SchemeFor parse(const std::string& text) {
    const auto equals = text.rfind('=');
    if (equals == std::string::npos || equals == 0)
        fail("--scheme-for '{}' is not TARGET=SCHEME, such as 're:.*down_proj=fp8'", text);
    return {text.substr(0, equals), &find_scheme(text.substr(equals + 1))};
}

QuantizationGroup group_of(const Method& m, std::vector<std::string> targets) {
    return {m.scheme, std::string(m.weight_rule->name),
            std::string(m.activation_rule ? m.activation_rule->name : ""), std::move(targets)};
}

void check_targets(const std::vector<SchemeFor>& all, const Settings& s) {
    std::vector<bool> used(all.size());
    for_linears(
        s.config, [&](std::int64_t layer, const LinearName& linear, const std::string& module) {
            if (!s.quantizes(layer, linear.name)) return;
            const SchemeFor* before = nullptr;
            for (std::size_t i = 0; i < all.size(); ++i) {
                if (!matches(all[i].target, module)) continue;
                used[i] = true;
                if (!all[i].target.starts_with(kPattern)) continue;
                if (before && before->scheme != all[i].scheme)
                    fail(
                        "--scheme-for: '{}' matches both '{}' ({}) and '{}' ({}), of which clients "
                        "choose differently; let only one match",
                        module, before->target, before->scheme->name, all[i].target,
                        all[i].scheme->name);
                before = &all[i];
            }
        });
    for (std::size_t i = 0; i < all.size(); ++i)
        if (!used[i])
            fail(
                "--scheme-for '{}' matches no linear layer that is quantized; module names look "
                "like '{}'",
                all[i].target, module_name(0, "mlp.down_proj"));
}

void check_fused(const Settings& s) {
    for (std::int64_t layer = 0; layer < s.config.layers; ++layer) {
        const LinearName* first[4] = {};  // of a site
        for (const LinearName& linear : block_linears()) {
            if (!s.quantizes(layer, linear.name)) continue;
            const LinearName*& other = first[linear.site];
            if (!other) other = &linear;
            const Scheme &a = *s.method_of(layer, other->name).scheme,
                         &b = *s.method_of(layer, linear.name).scheme;
            if (&a != &b)
                fail(
                    "--scheme-for: '{}' would be {} and '{}' {}, but clients fuse the two: give "
                    "them one scheme",
                    module_name(layer, other->name), a.name, module_name(layer, linear.name),
                    b.name);
        }
    }
}

}  // namespace

Method make_method(const Scheme& scheme, const Recipe& recipe, const std::string& weight_rule,
                   const std::string& activation_rule) {
    const auto rule = [&](const std::string& option, std::string_view fallback) {
        return &find_scale_rule(option.empty() ? fallback : option, scheme.family);
    };
    Method m{&scheme, rule(weight_rule, recipe.weight_rule(scheme)), nullptr};
    if (scheme.quantized_activations) {
        m.activation_rule = rule(activation_rule, recipe.activation_rule(scheme));
        if (!m.activation_rule->online)
            fail("scale rule '{}' is too slow for activations; see: halfbyte list scale-rules",
                 m.activation_rule->name);
    } else if (!activation_rule.empty()) {
        fail("--activation-scales {} has no effect: scheme {} leaves activations in 16 bits",
             activation_rule, scheme.name);
    }
    return m;
}

// vLLM asks for the fused layer's own name, then for its class, which "Linear" is a part of, and
// only then for the names of the layers that it is made of.
std::optional<std::string> fused_notice(const Settings& s) {
    constexpr std::pair<std::string_view, std::string_view> kFused[] = {
        {"self_attn.q_proj", "self_attn.qkv_proj"}, {"mlp.gate_proj", "mlp.gate_up_proj"}};
    for (std::int64_t layer = 0; layer < s.config.layers; ++layer) {
        for (const auto& [part, whole] : kFused) {
            const QuantizationGroup& group = s.quantization.group_of(module_name(layer, part));
            const std::string name = module_name(layer, whole);
            if (!s.quantizes(layer, part) || &group == &s.quantization.groups.back() ||
                std::any_of(group.targets.begin(), group.targets.end(),
                            [&](const std::string& target) { return matches(target, name); }))
                continue;
            return fmt::format(
                "vLLM looks for '{}', which no --scheme-for of {} matches, and would take it for "
                "{}; a pattern that matches it too, such as 're:.*self_attn.*' or 're:.*up_proj', "
                "helps",
                name, group.scheme->name, s.quantization.groups.back().scheme->name);
        }
    }
    return std::nullopt;
}

void choose_groups(const QuantizeOptions& options, Settings& s) {
    std::vector<SchemeFor> all;
    for (const auto& text : options.scheme_for) all.push_back(parse(text));
    std::sort(all.begin(), all.end(),
              [](const auto& a, const auto& b) { return a.target < b.target; });
    for (std::size_t i = 1; i < all.size(); ++i)
        if (all[i].target == all[i - 1].target)
            fail("--scheme-for '{}' is given twice", all[i].target);
    const Method rest = s.methods.front();
    s.methods.clear();
    for (const bool patterns : {false, true}) {
        const std::size_t begin = s.methods.size();
        for (const auto& [target, scheme] : all) {
            if (target.starts_with(kPattern) != patterns) continue;
            std::size_t i = begin;
            while (i < s.methods.size() && s.methods[i].scheme != scheme) ++i;
            if (i == s.methods.size()) {
                s.methods.push_back(make_method(*scheme, *s.recipe, "", ""));
                s.quantization.groups.push_back(group_of(s.methods.back(), {}));
            }
            s.quantization.groups[i].targets.push_back(target);
        }
    }
    s.methods.push_back(rest);
    s.quantization.groups.push_back(group_of(rest, {"Linear"}));
    check_targets(all, s);
    check_fused(s);
}

}  // namespace hb
