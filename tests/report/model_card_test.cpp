// SPDX-License-Identifier: Apache-2.0
#include "report/model_card.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/table.hpp"

namespace hb {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Json a_run(const char* transform) {
    return {{"version", "0.1.0"},
            {"model", "/home/someone/models/small"},
            {"scheme", "nvfp4"},
            {"recipe", "mr-gptq"},
            {"quantizer", "gptq"},
            {"transforms",
             {{"qkv", transform}, {"o", transform}, {"gate_up", transform}, {"down", transform}}},
            {"weight_scales", "sweep"},
            {"activation_scales", "sweep8"},
            {"calibration",
             {{"source", "/home/someone/text.txt"}, {"sequences", 32}, {"sequence_length", 512}}},
            {"seed", 7},
            {"bits_per_weight", 4.5},
            {"layers",
             {{{"name", "model.layers.0.mlp.up_proj"},
               {"weight_mse", 0.01},
               {"output_error", 0.02},
               {"damping", 0.01},
               {"dead_columns", 1}},
              {{"name", "model.layers.1.mlp.up_proj"},
               {"weight_mse", 0.03},
               {"output_error", 0.04},
               {"damping", 0.1},
               {"dead_columns", 2}}}}};
}

TEST(ModelCard, StatesTheRecipeAndTheMeanLossOfAKind) {
    const std::string card = model_card(a_run("hadamard:16"));
    EXPECT_THAT(card, StartsWith("---\nbase_model: \"small\"\nlibrary_name: halfbyte\n"));
    EXPECT_THAT(card, HasSubstr("hadamard:16"));
    EXPECT_THAT(card, HasSubstr("sweep8"));
    EXPECT_THAT(card, HasSubstr("0.02000"));  // mean of the weight errors
    EXPECT_THAT(card, HasSubstr("0.03000"));  // mean of the output errors
    EXPECT_THAT(card, HasSubstr("32 x 512 tokens"));
}

TEST(ModelCard, SaysWhoCanLoadIt) {
    EXPECT_THAT(model_card(a_run("hadamard:16")), HasSubstr("quant_method: halfbyte"));
    EXPECT_THAT(model_card(a_run("none")), HasSubstr("quant_method: compressed-tensors"));
    EXPECT_THAT(model_card(a_run("none")), Not(HasSubstr("quant_method: halfbyte")));
}

TEST(ModelCard, SaysWhatIsFoldedIntoTheWeights) {
    Json run = a_run("none");
    EXPECT_THAT(model_card(run), Not(HasSubstr("folded")));
    run["rotation"] = {{"applied", "offline"}, {"residual", "gsr:64"}, {"heads", "gsr:32"}};
    for (const char* text : {"gsr:64", "gsr:32", "folded", "quant_method: compressed-tensors"})
        EXPECT_THAT(model_card(run), HasSubstr(text));
}

TEST(ModelCard, TellsNothingAboutTheMachine) {
    EXPECT_THAT(model_card(a_run("none")), Not(HasSubstr("someone")));
}

TEST(ModelCard, KeepsAHubName) {
    Json run = a_run("none");
    run["model"] = "org/name";
    EXPECT_THAT(model_card(run), HasSubstr("base_model: \"org/name\""));
    run["model"] = "models/file.gguf";
    EXPECT_THAT(model_card(run), HasSubstr("base_model: \"file.gguf\""));
}

TEST(ModelCard, AnEmptyRunIsStillACard) {
    EXPECT_THAT(model_card(Json::object()), HasSubstr("unknown"));
}

TEST(Table, PadsToTheWidestCellAndSetsNumbersRight) {
    const Table table{{"name", "n"},
                      {{"a", "1"}, {"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "100"}}};
    EXPECT_EQ(plain_text(table),
              "name     n\na        1\n\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9  100\n");
    EXPECT_EQ(markdown({{"name", "n"}, {{"a", "1"}}}),
              "| name | n |\n|------|--:|\n| a    | 1 |\n");
}

TEST(Table, AShortRowHasEmptyCells) {
    EXPECT_EQ(plain_text({{"a", "b"}, {{"x"}}}), "a  b\nx\n");
}

}  // namespace
}  // namespace hb
