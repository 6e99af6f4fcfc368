// SPDX-License-Identifier: Apache-2.0
// The user's options, filled up by the recipe's choices and checked against the model: what the
// stream works from, and what a resumed run must agree with.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calibration/quantize_model.hpp"
#include "io/checkpoint.hpp"
#include "io/quantization_config.hpp"
#include "model/config.hpp"
#include "model/offline_rotation.hpp"
#include "recipes/recipe.hpp"
#include "recipes/steps.hpp"

namespace hb {

// on_linear(layer, linear, module) for every linear of the blocks.
template <class OnLinear>
void for_linears(const ModelConfig& config, const OnLinear& on_linear) {
    for (std::int64_t layer = 0; layer < config.layers; ++layer)
        for (const LinearName& linear : block_linears())
            on_linear(layer, linear, module_name(layer, linear.name));
}

// A QuantizationGroup, its rules looked up.
struct Method {
    const Scheme* scheme = nullptr;
    const ScaleRule* weight_rule = nullptr;
    const ScaleRule* activation_rule = nullptr;  // null: inputs stay in bf16
};

struct Settings {
    ModelConfig config;
    const Recipe* recipe = nullptr;
    const Quantizer* quantizer = nullptr;
    std::array<Transform, 4> transforms;  // by site, online
    std::optional<OfflineRotation> rotation;
    bool balanced = false;  // channels
    QuantizerOptions solver;
    Steps steps;
    QuantizationConfig quantization;
    std::vector<Method> methods;  // of quantization.groups, in their order

    bool quantizes(std::int64_t layer, std::string_view linear) const {
        return !quantization.ignores(module_name(layer, linear));
    }
    const Method& method_of(std::int64_t layer, std::string_view linear) const;
    // Of the linears that read one input, which share it; null when none is quantized.
    const Method* method_at(std::int64_t layer, int site) const;
    // Whether down's input is known before its statistics are: MX has no scale that waits for them.
    bool keeps_hidden(std::int64_t layer) const;
    // Hessians, or the static scale of NV activations
    bool needs_statistics() const;
    // These, or energies of channels
    bool needs_calibration() const { return balanced || needs_statistics(); }
};

// Throws Error on anything that cannot work: an unknown name, a pattern that matches nothing, a
// dimension that does not divide, a model that is quantized already, tensors that are missing.
Settings make_settings(const QuantizeOptions& options, const Checkpoint& checkpoint);

// The weights that become codes, by name.
std::map<std::string, const Scheme*> quantized_weights(const Settings& settings);

// The dense model as it is quantized: itself, or rotated offline.
Checkpoint rotated_for(const Settings& settings, Checkpoint dense);

// What must be the same for a resumed run to give the same bytes; run.json starts with it.
Json describe(const Settings& settings, const QuantizeOptions& options,
              const Checkpoint& checkpoint);

}  // namespace hb
