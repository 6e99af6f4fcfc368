// SPDX-License-Identifier: Apache-2.0
// Every recipe must be able to run on every scheme: its names exist in their tables.
#include "recipes/recipe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace hb {

TEST(Recipes, EveryNameExistsForEveryScheme) {
    for (const auto& recipe : all_recipes()) {
        EXPECT_NO_THROW(find_quantizer(recipe.quantizer)) << recipe.name;
        for (const auto& scheme : all_schemes()) {
            SCOPED_TRACE(std::string(recipe.name) + " " + std::string(scheme.name));
            EXPECT_NO_THROW(find_scale_rule(recipe.weight_rule(scheme), scheme.family));
            EXPECT_NO_THROW(parse_transform(recipe.transform(scheme), 4096, 1));
            const auto activations = recipe.activation_rule(scheme);
            EXPECT_EQ(activations.empty(), !scheme.quantized_activations);
            if (activations.empty()) continue;
            EXPECT_TRUE(find_scale_rule(activations, scheme.family).online);
        }
    }
}

TEST(Recipes, MrGptqIsWhatItsPaperSays) {
    const auto& recipe = find_recipe("mr-gptq");
    EXPECT_EQ(recipe.quantizer, "gptq");
    EXPECT_TRUE(recipe.activation_order);
    for (const auto& scheme : all_schemes()) {
        const auto transform = parse_transform(recipe.transform(scheme), 4096, 1);
        const bool rotated = scheme.family == Family::mx || scheme.family == Family::nv;
        EXPECT_EQ(transform.identity(), !rotated) << scheme.name;
        EXPECT_EQ(recipe.weight_rule(scheme), scheme.weight_rule);
    }
}

TEST(Recipes, PlainRecipesLeaveTheBasisAlone) {
    for (const auto name : {"rtn", "gptq"}) {
        for (const auto& scheme : all_schemes()) {
            EXPECT_EQ(find_recipe(name).transform(scheme), "none");
        }
        EXPECT_FALSE(find_recipe(name).activation_order);
    }
}

TEST(Recipes, AnUnknownNameListsTheKnown) {
    try {
        find_recipe("awq");
        FAIL();
    } catch (const Error& e) {
        EXPECT_THAT(e.what(), testing::HasSubstr("'awq'; known: rtn, gptq, mr-gptq"));
    }
}

}  // namespace hb
