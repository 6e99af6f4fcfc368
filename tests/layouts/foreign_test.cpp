// SPDX-License-Identifier: Apache-2.0
// Folders in the layouts of FP-Quant and ModelOpt that numpy made (golden/make_golden.py) decode to
// the weights that those tools' formulas give, here and after a conversion.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "io/temporary_folder.hpp"
#include "layouts/convert.hpp"

namespace hb {
namespace {

const std::string kGolden = HALFBYTE_TESTS_DIR "/layouts/golden/";

// A multiplier and the divisor 1 / multiplier, each rounded, and the products: four roundings.
constexpr double kRoundings = 4 * 0x1p-24;

void expect_golden(const Checkpoint& checkpoint, const std::string& golden) {
    const auto file = read_file(golden + "/expected.safetensors");
    const auto bytes = std::as_bytes(std::span(file));
    const auto header = parse_safetensors(bytes, "expected");
    ASSERT_EQ(header.entries.size(), 2u);
    for (const auto& e : header.entries) {
        const auto module = e.name.substr(0, e.name.rfind('.'));
        const auto q = checkpoint.read_quantized(module, e.shape[0], e.shape[1]);
        ASSERT_TRUE(q);
        const auto ours = dequantize(*q);
        for (std::size_t i = 0; i < ours.values.size(); ++i) {
            float wanted = 0;
            std::memcpy(&wanted, bytes.data() + header.data_offset + e.begin + 4 * i, 4);
            ASSERT_NEAR(ours.values[i], wanted, std::abs(wanted) * kRoundings) << module << i;
        }
    }
}

struct Foreign {
    const char *folder, *scheme, *transform, *activation_rule;
};

class ForeignLayout : public testing::TestWithParam<Foreign> {};

TEST_P(ForeignLayout, DecodesToTheFormulaOfItsTool) {
    const auto golden = kGolden + GetParam().folder;
    const auto checkpoint = Checkpoint::open(golden);
    const auto c = quantization_config_of(checkpoint.config());
    ASSERT_TRUE(c);
    EXPECT_EQ(c->groups.at(0).scheme->name, GetParam().scheme);
    EXPECT_EQ(c->groups.at(0).activation_rule, GetParam().activation_rule);
    for (const auto& site : {c->qkv, c->o, c->gate_up, c->down})
        EXPECT_EQ(site, GetParam().transform);
    EXPECT_TRUE(c->ignores("lm_head"));
    expect_golden(checkpoint, golden);
    const TemporaryFolder folder;
    const auto halfbyte = folder.path / "halfbyte";
    const auto there = convert(golden, halfbyte, find_layout("halfbyte"), {});
    EXPECT_EQ(there.proof.coded, 7);
    expect_golden(Checkpoint::open(halfbyte.string()), golden);
}

INSTANTIATE_TEST_SUITE_P(Every, ForeignLayout,
                         testing::Values(Foreign{"fp_quant", "mxfp4", "hadamard:32", "fp-quant"},
                                         Foreign{"modelopt", "nvfp4", "none", "absmax"}));

TEST(ForeignLayout, StarsOfModelOptArePatterns) {
    const auto c = quantization_config_of(Checkpoint::open(kGolden + "modelopt").config());
    EXPECT_TRUE(c->ignores("model.visual.blocks.3.fc1"));
    EXPECT_FALSE(c->ignores("model.layers.0.mlp.down_proj"));
    EXPECT_FALSE(c->ignores("modelxvisual"));
}

}  // namespace
}  // namespace hb
