// SPDX-License-Identifier: Apache-2.0
#include "io/quantization_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "io/checkpoint.hpp"
#include "io/random_tensor.hpp"
#include "io/temporary_folder.hpp"
#include "schemes/scale_rule.hpp"

namespace hb {
namespace {

const std::string kGolden = HALFBYTE_TESTS_DIR "/io/golden/";

QuantizationConfig config_of(const Scheme& scheme) {
    QuantizationConfig c;
    c.groups = {{&scheme, std::string(scheme.weight_rule), std::string(scheme.activation_rule)}};
    c.ignore = {"lm_head", "re:.*down_proj"};
    return c;
}

void expect_equal(const QTensor& a, const QTensor& b) {
    EXPECT_EQ(a.scheme->name, b.scheme->name);
    EXPECT_EQ(a.codes.values, b.codes.values);
    EXPECT_EQ(a.scales.bits.values, b.scales.bits.values);
    EXPECT_EQ(a.scales.zeros.values, b.scales.zeros.values);
    EXPECT_EQ(a.scales.divisor, b.scales.divisor);
}

class EveryScheme : public testing::TestWithParam<Scheme> {};

TEST_P(EveryScheme, ComesBackFromDisk) {
    const auto& scheme = find_scheme(GetParam().name);
    const auto q = random_tensor(scheme, 6, 256, scheme.family == Family::nv ? 1234.5f : 1.0f);
    TemporaryFolder folder;
    folder.put("config.json", Json{{"quantization_config", to_json(config_of(scheme))}}.dump());
    write_sharded(folder.path, tensors_of("a.b", q, 99), 1 << 20);
    const auto checkpoint = Checkpoint::open(folder.path.string());
    const auto back = checkpoint.read_quantized("a.b", 6, 256);
    ASSERT_TRUE(back);
    expect_equal(*back, q);
    const auto part = checkpoint.quantized_rows("a.b", 6, 256)(2, 3);
    for (std::int64_t r = 0; r < 3; ++r) {
        EXPECT_EQ(part.code(r, 77), q.code(r + 2, 77));
        EXPECT_EQ(part.scales.bits(r, 0), q.scales.bits(r + 2, 0));
        EXPECT_EQ(part.zero(r, 0), q.zero(r + 2, 0));
    }
    EXPECT_EQ(checkpoint.has("a.b.input_global_scale"),
              scheme.family == Family::nv && scheme.quantized_activations);
    EXPECT_THROW(checkpoint.read_quantized("a.b", 6, 128), Error);
    EXPECT_THROW(checkpoint.read_quantized("a.c", 6, 256), Error);
}

TEST_P(EveryScheme, ConfigComesBackFromJson) {
    auto c = config_of(find_scheme(GetParam().name));
    for (const bool transform : {false, true}) {
        if (transform) c.qkv = "hadamard:64";
        if (!transform) c.residual = "gsr:16";  // in the weights, which anyone reads
        c.seed = transform ? 7 : 0;
        const Json json = to_json(c);
        EXPECT_EQ(json["quant_method"], transform ? "halfbyte" : "compressed-tensors");
        const auto back = quantization_config_of(Json{{"quantization_config", json}});
        ASSERT_TRUE(back);
        EXPECT_EQ(to_json(*back), json);
        EXPECT_EQ(back->qkv, c.qkv);
        EXPECT_EQ(back->residual, c.residual);
        EXPECT_EQ(back->ignore, c.ignore);
    }
}

TEST_P(EveryScheme, ForeignFieldsAreRefusedOneByOne) {
    const Scheme& scheme = find_scheme(GetParam().name);
    const Json good = to_json(config_of(scheme));
    const auto refused = [&](const char* pointer, const Json& value) {
        Json json = good;
        json[Json::json_pointer(pointer)] = value;
        EXPECT_THROW(quantization_config_of(Json{{"quantization_config", json}}), Error)
            << pointer << value;
    };
    EXPECT_TRUE(quantization_config_of(Json{{"quantization_config", good}}));
    refused("/quant_method", "fp_quant");
    refused("/quant_method", 3);
    refused("/format", "naive-quantized");
    refused("/format", scheme.family == Family::fp8 ? "int-quantized" : "float-quantized");
    refused("/quantization_status", "frozen");
    refused("/kv_cache_scheme", {{"num_bits", 8}});
    refused("/transform_config", {{"config_groups", 1}});
    refused("/sparsity_config", {{"format", "dense"}});
    refused("/config_groups/group_1", good["config_groups"]["group_0"]);
    refused("/config_groups/group_0/targets", "Linear");
    refused("/config_groups/group_0/targets", {3});
    refused("/config_groups/group_0/weights/num_bits", 6);
    refused("/config_groups/group_0/weights/symmetric", scheme.zero_points());
    refused("/config_groups/group_0/weights/group_size", 48);
    refused("/config_groups/group_0/weights/strategy", scheme.by_row() ? "tensor" : "channel");
    if (scheme.by_row()) {
        refused("/config_groups/group_0/input_activations", nullptr);
        refused("/config_groups/group_0/input_activations/dynamic", false);
        refused("/config_groups/group_0/input_activations/strategy", "tensor");
    }
    refused("/config_groups/group_0/weights/actorder", "group");
    refused("/config_groups/group_0/weights", nullptr);
    refused("/ignore", "lm_head");
    refused("/halfbyte", "x");
    refused("/halfbyte/scheme", "int3");
    refused("/halfbyte/weight_scales", "no-such-rule");
    refused("/halfbyte/activation_scales", "no-such-rule");
    refused("/halfbyte/transforms/o", 64);
    refused("/halfbyte/seed", -1);
}

INSTANTIATE_TEST_SUITE_P(All, EveryScheme,
                         testing::ValuesIn(all_schemes().begin(), all_schemes().end()),
                         [](const auto& each) { return std::string(each.param.name); });

// Files made by compressed-tensors (golden/make_golden.py).
class Foreign : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(Foreign, IsReadAndWrittenByteForByte) {
    const auto [name, scheme] = GetParam();
    TemporaryFolder folder;
    Json config{
        {"quantization_config", Json::parse(read_file(kGolden + "config_" + name + ".json"))}};
    folder.put("config.json", config.dump());
    folder.put("model.safetensors", read_file(kGolden + "ct_" + name + ".safetensors"));
    const auto checkpoint = Checkpoint::open(folder.path.string());
    const auto quantization = quantization_config_of(checkpoint.config());
    EXPECT_EQ(quantization->groups.at(0).scheme->name, scheme);
    const auto q = checkpoint.read_quantized("linear", 12, 256);
    ASSERT_TRUE(q);
    const auto wanted = checkpoint.read("decoded", 12, 256);
    const auto w = dequantize(*q);
    for (std::size_t i = 0; i < w.values.size(); ++i)
        ASSERT_EQ(round_to_bf16(w.values[i]), wanted.values[i]) << i;

    const auto tensors = tensors_of("linear", *q, 672);
    EXPECT_EQ(tensors.size() + 1, checkpoint.tensors().size());
    for (const auto& tensor : tensors) {
        const auto* info = checkpoint.find(tensor.name);
        ASSERT_TRUE(info) << tensor.name;
        EXPECT_EQ(info->dtype, tensor.dtype) << tensor.name;
        EXPECT_EQ(info->shape, tensor.shape) << tensor.name;
        EXPECT_EQ(checkpoint.read_bytes(tensor.name), tensor.load()) << tensor.name;
    }
}

TEST_P(Foreign, ConfigIsTheOneWeWrite) {
    const auto [name, scheme] = GetParam();
    const auto theirs = Json::parse(read_file(kGolden + "config_" + name + ".json"));
    QuantizationConfig c;
    c.groups = {{&find_scheme(scheme), "", ""}};
    const auto ours = to_json(c);
    const auto& a = theirs["config_groups"]["group_0"];
    const auto& b = ours["config_groups"]["group_0"];
    for (const char* part : {"weights", "input_activations"}) {
        ASSERT_EQ(a[part].is_null(), b[part].is_null());
        for (const auto& [key, value] : b[part].items())
            EXPECT_EQ(a[part][key], value) << part << " " << key;
        EXPECT_EQ(a[part].size(), b[part].size());
    }
    EXPECT_EQ(theirs["format"], ours["format"]);
}

INSTANTIATE_TEST_SUITE_P(All, Foreign,
                         testing::Values(std::pair{"nvfp4", "nvfp4"}, std::pair{"mxfp4", "mxfp4"},
                                         std::pair{"w4a16", "int4g128"},
                                         std::pair{"w4a16_asym", "int4g128a"},
                                         std::pair{"w8a8", "int8"},
                                         std::pair{"fp8_dynamic", "fp8"}),
                         [](const auto& each) { return std::string(each.param.first); });

TEST(QuantizationConfig, PlainFilesGetTheirMakersRules) {
    for (const auto& [name, rule] : {std::pair{"nvfp4", "absmax"},
                                     std::pair{"mxfp4", "ct-round"},
                                     {"w4a16", ""},
                                     {"w4a16_asym", ""},
                                     {"w8a8", "absmax"},
                                     {"fp8_dynamic", "absmax"}}) {
        const auto json = Json::parse(read_file(kGolden + "config_" + name + ".json"));
        const auto c = quantization_config_of(Json{{"quantization_config", json}});
        EXPECT_EQ(c->groups.at(0).activation_rule, rule);
        EXPECT_EQ(c->groups.at(0).weight_rule, "");
        EXPECT_FALSE(c->online_transform());
    }
    EXPECT_FALSE(quantization_config_of(Json::object()));
}

TEST(QuantizationConfig, AThirdHasNoPlaceInPlainMxfp4) {
    QuantizationConfig c;
    c.groups = {{&find_scheme("mxfp4"), "mse", "mse"}};
    EXPECT_NO_THROW(check_layout(c));
    for (auto* rule : {&c.groups[0].weight_rule, &c.groups[0].activation_rule}) {
        *rule = "fp-quant";
        EXPECT_THAT([&] { check_layout(c); },
                    testing::ThrowsMessage<Error>(testing::HasSubstr("ceil7.25")));
        c.down = "hadamard:32";
        EXPECT_NO_THROW(check_layout(c));
        EXPECT_EQ(to_json(c)["quant_method"], "halfbyte");
        c.down = "none";
        *rule = "mse";
    }
    const auto names = [](float divisor) {
        std::vector<std::string> result;
        for (const auto& t :
             tensors_of("m", random_tensor(find_scheme("mxfp4"), 2, 64, divisor), 1))
            result.push_back(t.name);
        return result;
    };
    EXPECT_THAT(names(3), testing::Contains("m.weight_global_scale"));
    EXPECT_THAT(names(1), testing::Not(testing::Contains("m.weight_global_scale")));
}

TEST(QuantizationConfig, IgnoresNamesAndPatterns) {
    QuantizationConfig c;
    c.ignore = {"lm_head", "re:.*mlp\\.down", "re:model.layers.0."};
    EXPECT_TRUE(c.ignores("lm_head"));
    EXPECT_TRUE(c.ignores("model.layers.3.mlp.down_proj"));
    EXPECT_TRUE(c.ignores("model.layers.0.mlp.up_proj"));
    EXPECT_FALSE(c.ignores("model.layers.1.mlp.up_proj"));
    EXPECT_FALSE(c.ignores("x.lm_head"));
    c.ignore = {"re:("};
    EXPECT_THROW(c.ignores("a"), Error);
}

TEST(QuantizationConfig, ElementsThatAreNoNumbersAreRefused) {
    const auto& scheme = find_scheme("fp8");
    for (const std::uint8_t code : {0x7f, 0xff}) {
        auto q = random_tensor(scheme, 2, 64, 1);
        q.codes(1, 63) = code;
        TemporaryFolder folder;
        folder.put("config.json", Json{{"quantization_config", to_json(config_of(scheme))}}.dump());
        write_sharded(folder.path, tensors_of("a", q, 1), 1 << 20);
        const auto checkpoint = Checkpoint::open(folder.path.string());
        EXPECT_THAT([&] { checkpoint.read_quantized("a", 2, 64); },
                    testing::ThrowsMessage<Error>(testing::HasSubstr("not a number")));
    }
}

TEST(QuantizationConfig, ScalesThatAreNoNumbersAreRefused) {
    const auto& scheme = find_scheme("nvfp4a16");
    for (const std::uint16_t bits : {0x7f, 0xff, 0x81}) {
        auto q = random_tensor(scheme, 2, 64, 2);
        q.scales.bits(1, 3) = bits;
        TemporaryFolder folder;
        folder.put("config.json", Json{{"quantization_config", to_json(config_of(scheme))}}.dump());
        write_sharded(folder.path, tensors_of("a", q, 1), 1 << 20);
        EXPECT_THROW(Checkpoint::open(folder.path.string()).read_quantized("a", 2, 64), Error)
            << bits;
    }
}

}  // namespace
}  // namespace hb
