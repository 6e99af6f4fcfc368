// SPDX-License-Identifier: Apache-2.0
// The table of recipes. The short functions answer "for a scheme of this family, which?".
#include "core/error.hpp"
#include "recipes/recipe.hpp"

namespace hb {
namespace {

using Text = std::string_view;

Text by_family(const Scheme& s, Text mx, Text nv, Text integer) {
    return s.family == Family::mx ? mx : s.family == Family::nv ? nv : integer;
}

Text untransformed(const Scheme&) {
    return "none";
}
Text rotated(const Scheme& s) {
    return by_family(s, "auto", "hadamard:16", "none");
}

Text plain_weights(const Scheme& s) {
    return s.zero_points() ? "minmax" : by_family(s, "ct-round", "absmax", "absmax");
}
Text plain_activations(const Scheme& s) {
    return s.quantized_activations ? by_family(s, "ct-round", "absmax", "absmax") : "";
}

Text fitted_weights(const Scheme& s) {
    return s.weight_rule;
}
Text fitted_activations(const Scheme& s) {
    return s.quantized_activations ? s.activation_rule : "";
}

constexpr Recipe kRecipes[] = {
    {"rtn", "round to nearest, plain scales", "rtn", untransformed, plain_weights,
     plain_activations, false},
    {"gptq", "GPTQ in natural order, plain scales (arXiv 2210.17323)", "gptq", untransformed,
     plain_weights, plain_activations, false},
    {"mr-gptq", "GPTQ, block Hadamard, fitted scales, static activation order (arXiv 2509.23202)",
     "gptq", rotated, fitted_weights, fitted_activations, true},
    {"best", "mr-gptq on balanced channels, codes and scales then improved one by one", "gptq",
     rotated, fitted_weights, fitted_activations, true, true, "descent"},
};

}  // namespace

std::span<const Recipe> all_recipes() {
    return kRecipes;
}

const Recipe& find_recipe(std::string_view name) {
    std::string known;
    for (const auto& recipe : kRecipes) {
        if (recipe.name == name) return recipe;
        known += (known.empty() ? "" : ", ") + std::string(recipe.name);
    }
    fail("no recipe is called '{}'; known: {}", name, known);
}

}  // namespace hb
