// SPDX-License-Identifier: Apache-2.0
#include "calibration/settings.hpp"

#include <algorithm>
#include <cmath>

#include "calibration/groups.hpp"
#include "core/error.hpp"
#include "model/model_tensors.hpp"

namespace hb {
namespace {

void check_patterns(const Settings& settings, const std::vector<std::string>& patterns) {
    for (const std::string& pattern : patterns) {
        bool hit = matches(pattern, "lm_head");
        for_linears(settings.config, [&](auto, const auto&, const std::string& module) {
            hit = hit || matches(pattern, module);
        });
        if (!hit)
            fail("--ignore '{}' matches no linear layer; module names look like '{}'", pattern,
                 module_name(0, "mlp.down_proj"));
    }
}

void check_shapes(const Settings& settings, const Checkpoint& checkpoint) {
    for_linears(settings.config, [&](std::int64_t layer, const LinearName& linear,
                                     const std::string& module) {
        if (!settings.quantizes(layer, linear.name)) return;
        const LinearShape shape = linear_shape(settings.config, linear.name);
        const Scheme& scheme = *settings.quantization.group_of(module).scheme;
        if (!scheme.divides(shape.in))
            fail(
                "{}: the input dimension {} of {} is not divisible by {}'s group of {}; choose "
                "another scheme or "
                "--ignore 're:.*{}'",
                checkpoint.path().string(), shape.in, linear.name, scheme.name, scheme.group,
                linear.name.substr(linear.name.find('.') + 1));
    });
}

constexpr std::string_view kRotations[] = {"online", "offline", "offline+down"};

std::string_view pick(const std::string& option, std::string_view fallback) {
    return option.empty() ? fallback : std::string_view(option);
}

Transform offline_transform(std::string_view text, const QuantizeOptions& options, const char* what,
                            std::int64_t size) {
    try {
        return parse_transform(text, size, options.seed);
    } catch (const Error& error) {
        fail("--rotation {}: {} is {}: {}", options.rotation, what, size, error.what());
    }
}

// What the recipe has for the linears of a site, where they differ for the last group's: a site is
// transformed alike in all blocks.
std::string_view site_text(const Settings& s, int site) {
    const Method* last = nullptr;
    for (std::int64_t layer = 0; layer < s.config.layers; ++layer)
        if (const Method* m = s.method_at(layer, site); m && (!last || m > last)) last = m;
    return s.recipe->transform(*(last ? last : &s.methods.back())->scheme);
}

// That of --scheme, or else the last of the others, that the recipe rotates; or --scheme's.
const Scheme& rotated_scheme(const Settings& s) {
    for (auto m = s.methods.rbegin(); m != s.methods.rend(); ++m)
        if (s.recipe->transform(*m->scheme) != "none") return *m->scheme;
    return *s.methods.back().scheme;
}

// A block keeps weights from mixing with those of a channel that carries most of h. MX's scales,
// powers of two, round such a channel's group of activations badly unless it is rotated.
std::int64_t kept_channels(const Settings& s) {
    const int block = s.rotation->residual.block;
    const bool mx_inputs = std::any_of(s.methods.begin(), s.methods.end(), [](const Method& m) {
        return m.activation_rule && m.scheme->family == Family::mx;
    });
    return mx_inputs || s.config.hidden < 4 * block ? 0 : block;
}

// Of all weights that become codes.
double bits_per_weight(const Settings& s) {
    double bits = 0, weights = 0;
    for_linears(s.config, [&](std::int64_t layer, const LinearName& linear, const std::string&) {
        if (!s.quantizes(layer, linear.name)) return;
        const LinearShape shape = linear_shape(s.config, linear.name);
        const auto size = static_cast<double>(shape.out * shape.in);
        bits += size * s.method_of(layer, linear.name).scheme->bits_per_weight();
        weights += size;
    });
    return bits / weights;
}

void choose_transforms(const QuantizeOptions& options, Settings& s) {
    if (std::find(std::begin(kRotations), std::end(kRotations), options.rotation) ==
        std::end(kRotations))
        fail("unknown rotation '{}'; choose one of: {}", options.rotation,
             fmt::join(kRotations, ", "));
    const bool online = options.rotation == "online";
    const std::string_view text = pick(options.transform, s.recipe->transform(rotated_scheme(s)));
    if (!online && text == "none")
        fail(
            "--rotation {} has nothing to rotate: {} with {} has no transform; add --transform "
            "hadamard:16, or another of: halfbyte list transforms",
            options.rotation, s.recipe->name, s.quantization.schemes());
    if (!online) {
        const std::string residual = options.transform.empty()
                                         ? fmt::format("hadamard:{}", rotated_scheme(s).group)
                                         : options.transform;
        s.rotation = {offline_transform(residual, options, "hidden_size", s.config.hidden),
                      offline_transform(text, options, "head_dim", s.config.head_dim),
                      {}};
        s.rotation->kept = kept_channels(s);
        s.quantization.residual = s.rotation->residual.text();
        s.quantization.heads = s.rotation->heads.text();
    }
    std::string* texts[4] = {&s.quantization.qkv, &s.quantization.o, &s.quantization.gate_up,
                             &s.quantization.down};
    for (const LinearName& linear : block_linears()) {
        const auto site = static_cast<std::size_t>(linear.site);
        if (online || (linear.site == 3 && options.rotation == "offline+down"))
            s.transforms[site] =
                parse_transform(pick(options.transform, site_text(s, linear.site)),
                                linear_shape(s.config, linear.name).in, options.seed);
        *texts[site] = s.transforms[site].text();
    }
}

void choose_channels(const QuantizeOptions& options, Settings& s) {
    if (!options.channels.empty() && options.channels != "plain" && options.channels != "balanced")
        fail("unknown channels '{}'; choose plain or balanced", options.channels);
    s.balanced = options.channels.empty() ? s.recipe->balanced_channels && !s.rotation
                                          : options.channels == "balanced";
    if (s.balanced && s.rotation)
        fail(
            "--channels balanced cannot go with --rotation {}, which folds the norms' weights "
            "away; use --rotation online, with --transform none for files that any client runs",
            options.rotation);
    if (s.balanced) s.quantization.channels = "balanced";
}

}  // namespace

const Method& Settings::method_of(std::int64_t layer, std::string_view linear) const {
    const auto& group = quantization.group_of(module_name(layer, linear));
    return methods[static_cast<std::size_t>(&group - quantization.groups.data())];
}

const Method* Settings::method_at(std::int64_t layer, int site) const {
    for (const LinearName& linear : block_linears())
        if (linear.site == site && quantizes(layer, linear.name))
            return &method_of(layer, linear.name);
    return nullptr;
}

bool Settings::keeps_hidden(std::int64_t layer) const {
    const Method* down = method_at(layer, 3);
    return down && down->activation_rule && down->scheme->family == Family::mx;
}

bool Settings::needs_statistics() const {
    return quantizer->needs_hessian ||
           std::any_of(methods.begin(), methods.end(), [](const Method& m) {
               return m.activation_rule && m.scheme->family == Family::nv;
           });
}

Settings make_settings(const QuantizeOptions& options, const Checkpoint& checkpoint) {
    Settings s;
    s.recipe = &find_recipe(options.recipe);
    s.quantizer = &find_quantizer(s.recipe->quantizer);
    s.methods = {make_method(find_scheme(options.scheme), *s.recipe, options.weight_rule,
                             options.activation_rule)};
    s.solver.activation_order = s.recipe->activation_order;
    s.steps = parse_steps(pick(options.steps, s.recipe->steps));
    if (options.damping) s.solver.damping = *options.damping;
    if (!(s.solver.damping >= 0 && std::isfinite(s.solver.damping)))
        fail("--damping is {}; wanted a finite number that is not negative", s.solver.damping);
    if (s.steps != Steps{} && !s.quantizer->needs_hessian)
        fail("--steps {} are steps of gptq, which the recipe {} does not use", text_of(s.steps),
             s.recipe->name);
    if (quantization_config_of(checkpoint.config()))
        fail("{}: the model is quantized already; start from its 16-bit weights",
             checkpoint.path().string());
    s.config = model_config(checkpoint);
    check_model_tensors(checkpoint, s.config);

    s.quantization.ignore = {"lm_head"};
    s.quantization.ignore.insert(s.quantization.ignore.end(), options.ignore.begin(),
                                 options.ignore.end());
    s.quantization.seed = options.seed;
    choose_groups(options, s);
    choose_transforms(options, s);
    choose_channels(options, s);
    check_patterns(s, options.ignore);
    check_shapes(s, checkpoint);
    check_layout(s.quantization);
    return s;
}

std::map<std::string, const Scheme*> quantized_weights(const Settings& settings) {
    std::map<std::string, const Scheme*> weights;
    for_linears(settings.config,
                [&](std::int64_t layer, const LinearName& linear, const std::string& module) {
                    if (settings.quantizes(layer, linear.name))
                        weights[module + ".weight"] = settings.method_of(layer, linear.name).scheme;
                });
    return weights;
}

Checkpoint rotated_for(const Settings& settings, Checkpoint dense) {
    if (!settings.rotation) return dense;
    const auto quantized = quantized_weights(settings);
    OfflineRotation rotation = *settings.rotation;
    rotation.order = channels_by_norms(dense);
    return rotate_offline(std::move(dense), rotation,
                          [&](const std::string& name) { return quantized.contains(name); });
}

Json describe(const Settings& s, const QuantizeOptions& options, const Checkpoint& checkpoint) {
    Json json;
    json["version"] = HALFBYTE_VERSION;
    json["model"] = checkpoint.path().filename().string();
    json["fingerprint"] = fmt::format("{:016x}", checkpoint.fingerprint());
    const QuantizationGroup& group = s.quantization.groups.back();  // of "Linear"
    json["scheme"] = group.scheme->name;
    for (std::size_t i = 0; i + 1 < s.quantization.groups.size(); ++i)
        for (const auto& target : s.quantization.groups[i].targets)
            json["scheme_for"][target] = s.quantization.groups[i].scheme->name;
    json["recipe"] = s.recipe->name;
    json["quantizer"] = s.quantizer->name;
    json["transforms"] = {{"qkv", s.quantization.qkv},
                          {"o", s.quantization.o},
                          {"gate_up", s.quantization.gate_up},
                          {"down", s.quantization.down}};
    if (s.rotation)
        json["rotation"] = {{"applied", options.rotation},
                            {"residual", s.quantization.residual},
                            {"heads", s.quantization.heads},
                            {"kept", s.rotation->kept}};
    if (s.balanced) json["channels"] = s.quantization.channels;
    json["weight_scales"] = group.weight_rule;
    json["activation_scales"] = group.activation_rule;
    json["damping"] = s.solver.damping;
    json["activation_order"] = s.solver.activation_order;
    if (s.steps != Steps{}) json["steps"] = text_of(s.steps);
    json["ignore"] = s.quantization.ignore;
    json["seed"] = options.seed;
    json["bits_per_weight"] =
        s.methods.size() > 1 ? bits_per_weight(s) : group.scheme->bits_per_weight();
    return json;
}

}  // namespace hb
