// SPDX-License-Identifier: Apache-2.0
#include "calibration/settings.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "model/model_tensors.hpp"

namespace hb {
namespace {

void check_patterns(const Settings& settings, const std::vector<std::string>& patterns) {
    for (const std::string& pattern : patterns) {
        QuantizationConfig alone;
        alone.ignore = {pattern};
        bool hit = alone.ignores("lm_head");
        for (std::int64_t layer = 0; !hit && layer < settings.config.layers; ++layer)
            for (const LinearName& linear : block_linears())
                hit = hit || alone.ignores(module_name(layer, linear.name));
        if (!hit)
            fail("--ignore '{}' matches no linear layer; module names look like '{}'", pattern,
                 module_name(0, "mlp.down_proj"));
    }
}

void check_shapes(const Settings& settings, const Checkpoint& checkpoint) {
    for (const LinearName& linear : block_linears()) {
        const LinearShape shape = linear_shape(settings.config, linear.name);
        if (!settings.scheme->divides(shape.in) && settings.quantizes(0, linear.name))
            fail(
                "{}: the input dimension {} of {} is not divisible by {}'s group of {}; choose "
                "another scheme or "
                "--ignore 're:.*{}'",
                checkpoint.path().string(), shape.in, linear.name, settings.scheme->name,
                settings.scheme->group, linear.name.substr(linear.name.find('.') + 1));
    }
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

// A block keeps weights from mixing with those of a channel that carries most of h. MX's scales,
// powers of two, round such a channel's group of activations badly unless it is rotated.
std::int64_t kept_channels(const Settings& s) {
    const int block = s.rotation->residual.block;
    const bool mx_inputs = s.activation_rule && s.scheme->family == Family::mx;
    return mx_inputs || s.config.hidden < 4 * block ? 0 : block;
}

void choose_transforms(const QuantizeOptions& options, Settings& s) {
    if (std::find(std::begin(kRotations), std::end(kRotations), options.rotation) ==
        std::end(kRotations))
        fail("unknown rotation '{}'; choose one of: {}", options.rotation,
             fmt::join(kRotations, ", "));
    const bool online = options.rotation == "online";
    const std::string_view text = pick(options.transform, s.recipe->transform(*s.scheme));
    if (!online && text == "none")
        fail(
            "--rotation {} has nothing to rotate: {} with {} has no transform; add --transform "
            "hadamard:16, or another of: halfbyte list transforms",
            options.rotation, s.recipe->name, s.scheme->name);
    if (!online) {
        const std::string residual = options.transform.empty()
                                         ? fmt::format("hadamard:{}", s.scheme->group)
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
                parse_transform(text, linear_shape(s.config, linear.name).in, options.seed);
        *texts[site] = s.transforms[site].text();
    }
}

}  // namespace

Settings make_settings(const QuantizeOptions& options, const Checkpoint& checkpoint) {
    Settings s;
    s.scheme = &find_scheme(options.scheme);
    s.recipe = &find_recipe(options.recipe);
    s.quantizer = &find_quantizer(s.recipe->quantizer);
    s.weight_rule = &find_scale_rule(pick(options.weight_rule, s.recipe->weight_rule(*s.scheme)),
                                     s.scheme->family);
    if (s.scheme->quantized_activations) {
        s.activation_rule = &find_scale_rule(
            pick(options.activation_rule, s.recipe->activation_rule(*s.scheme)), s.scheme->family);
        if (!s.activation_rule->online)
            fail("scale rule '{}' is too slow for activations; see: halfbyte list scale-rules",
                 s.activation_rule->name);
    } else if (!options.activation_rule.empty()) {
        fail("--activation-scales {} has no effect: scheme {} leaves activations in 16 bits",
             options.activation_rule, s.scheme->name);
    }
    s.solver.activation_order = s.recipe->activation_order;
    if (quantization_config_of(checkpoint.config()))
        fail("{}: the model is quantized already; start from its 16-bit weights",
             checkpoint.path().string());
    s.config = model_config(checkpoint);
    check_model_tensors(checkpoint, s.config);

    s.quantization.scheme = s.scheme;
    s.quantization.weight_rule = s.weight_rule->name;
    s.quantization.activation_rule = s.activation_rule ? s.activation_rule->name : "";
    s.quantization.ignore = {"lm_head"};
    s.quantization.ignore.insert(s.quantization.ignore.end(), options.ignore.begin(),
                                 options.ignore.end());
    s.quantization.seed = options.seed;
    choose_transforms(options, s);
    check_patterns(s, options.ignore);
    check_shapes(s, checkpoint);
    check_layout(s.quantization);
    return s;
}

std::set<std::string> quantized_weights(const Settings& settings) {
    std::set<std::string> names;
    for (std::int64_t layer = 0; layer < settings.config.layers; ++layer)
        for (const LinearName& linear : block_linears())
            if (settings.quantizes(layer, linear.name))
                names.insert(module_name(layer, linear.name) + ".weight");
    return names;
}

Checkpoint rotated_for(const Settings& settings, Checkpoint dense) {
    if (!settings.rotation) return dense;
    const std::set<std::string> quantized = quantized_weights(settings);
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
    json["scheme"] = s.scheme->name;
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
    json["weight_scales"] = s.quantization.weight_rule;
    json["activation_scales"] = s.quantization.activation_rule;
    json["damping"] = s.solver.damping;
    json["activation_order"] = s.solver.activation_order;
    json["ignore"] = s.quantization.ignore;
    json["seed"] = options.seed;
    json["bits_per_weight"] = s.scheme->bits_per_weight();
    return json;
}

}  // namespace hb
