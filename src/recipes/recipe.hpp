// SPDX-License-Identifier: Apache-2.0
// A recipe is a paper's named method as plain data: a transform, a quantizer, scale rules.
// "mr-gptq" is GPTQ + block Hadamard + format-specific scales + static activation order (arXiv
// 2509.23202).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "quantizers/quantizer.hpp"
#include "schemes/scale_rule.hpp"
#include "schemes/scheme.hpp"
#include "transforms/transform.hpp"

namespace hb {

struct Recipe {
    std::string_view name, help;
    std::string_view quantizer;  // name in the quantizer table
    // Defaults of the recipe for a scheme; the user's options override them one by one.
    std::string_view (*transform)(const Scheme&);  // e.g. "hadamard:16", "none"
    std::string_view (*weight_rule)(const Scheme&);
    std::string_view (*activation_rule)(const Scheme&);  // empty when activations are not quantized
    bool activation_order;
    bool balanced_channels = false;  // model/balanced_channels.hpp
    std::string_view steps = "";  // what is added to the quantizer (steps.hpp)
};

std::span<const Recipe> all_recipes();
const Recipe& find_recipe(std::string_view name);

}  // namespace hb
