// SPDX-License-Identifier: Apache-2.0
// Several groups of linears in one quantization_config: every pair of schemes comes back from disk,
// and which group a linear belongs to is what compressed-tensors says (golden/make_golden.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "io/checkpoint.hpp"
#include "io/quantization_config.hpp"
#include "io/random_tensor.hpp"
#include "io/temporary_folder.hpp"

namespace hb {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

const std::string kGolden = HALFBYTE_TESTS_DIR "/io/golden/";

Json golden_json(const char* name) {
    return Json::parse(read_file(kGolden + name));
}

QuantizationConfig parsed(const Json& quantization) {
    return *quantization_config_of(Json{{"quantization_config", quantization}});
}

QuantizationGroup group_with(const Scheme& scheme, std::vector<std::string> targets) {
    return {&scheme, std::string(scheme.weight_rule), std::string(scheme.activation_rule),
            std::move(targets)};
}

TEST(MixedPrecision, EveryPairComesBackFromDisk) {
    for (const Scheme& a : all_schemes()) {
        for (const Scheme& b : all_schemes()) {
            QuantizationConfig c;
            c.groups = {group_with(a, {"re:.*down", "m.last"}), group_with(b, {"Linear"})};
            c.ignore = {"lm_head"};
            const Json json = to_json(c);
            const auto format = [&](int i) {
                return json["config_groups"][fmt::format("group_{}", i)]["format"];
            };
            EXPECT_EQ(json["format"] == "mixed-precision", format(0) != format(1));
            EXPECT_EQ(to_json(parsed(json)), json);

            TemporaryFolder folder;
            folder.put("config.json", Json{{"quantization_config", json}}.dump());
            std::vector<TensorToWrite> tensors;
            std::vector<std::pair<std::string, QTensor>> wanted;
            for (const char* module : {"m.down", "m.up", "m.last"}) {
                const Scheme& scheme = *c.group_of(module).scheme;
                EXPECT_EQ(&scheme, std::string(module) == "m.up" ? &b : &a);
                const float divisor = scheme.family == Family::nv ? 7.5f : 1.f;
                wanted.emplace_back(module, random_tensor(scheme, 8, 128, divisor, wanted.size()));
                for (auto& tensor : tensors_of(module, wanted.back().second, 99))
                    tensors.push_back(std::move(tensor));
            }
            write_sharded(folder.path, tensors, 1 << 20);
            const auto checkpoint = Checkpoint::open(folder.path.string());
            EXPECT_EQ(checkpoint.tensors().size(), tensors.size());
            for (const auto& [module, q] : wanted) {
                const auto back = checkpoint.read_quantized(module, 8, 128);
                ASSERT_TRUE(back);
                EXPECT_EQ(back->scheme, q.scheme);
                for (const auto& tensor : tensors_of(module, *back, 99))
                    EXPECT_EQ(checkpoint.read_bytes(tensor.name), tensor.load()) << tensor.name;
            }
        }
    }
}

TEST(MixedPrecision, IsReadAsCompressedTensorsWritesIt) {
    TemporaryFolder folder;
    const Json theirs = golden_json("config_mixed.json");
    EXPECT_EQ(theirs["format"], "mixed-precision");
    folder.put("config.json", Json{{"quantization_config", theirs}}.dump());
    folder.put("model.safetensors", read_file(kGolden + "ct_mixed.safetensors"));
    const auto checkpoint = Checkpoint::open(folder.path.string());
    const auto c = *quantization_config_of(checkpoint.config());
    EXPECT_EQ(c.schemes(), "nvfp4 + fp8 + int8");
    for (const auto& [module, scheme] :
         {std::pair{"up", "nvfp4"}, {"down", "fp8"}, {"last_down", "int8"}}) {
        EXPECT_EQ(c.group_of(module).scheme->name, scheme);
        EXPECT_EQ(c.group_of(module).activation_rule, "absmax");
        const auto q = checkpoint.read_quantized(module, 8, 128);
        ASSERT_TRUE(q);
        const auto wanted = checkpoint.read(std::string(module) + ".decoded", 8, 128);
        const auto w = dequantize(*q);
        for (std::size_t i = 0; i < w.values.size(); ++i)
            ASSERT_EQ(round_to_bf16(w.values[i]), wanted.values[i]) << module << i;
        for (const auto& tensor : tensors_of(module, *q, 672))
            EXPECT_EQ(checkpoint.read_bytes(tensor.name), tensor.load()) << tensor.name;
    }
    const Json ours = to_json(c);
    EXPECT_EQ(ours["format"], theirs["format"]);
    for (const auto& [name, group] : theirs["config_groups"].items())
        for (const char* field : {"targets", "format", "weights", "input_activations"})
            for (const auto& [key, value] : ours["config_groups"][name][field].items())
                EXPECT_EQ(value.is_null()            ? Json()
                          : group[field].is_object() ? group[field][key]
                          : group[field].is_array()  ? group[field][0]
                                                     : group[field],
                          value)
                    << name << field << key;
}

TEST(MixedPrecision, GroupsAreThoseOfCompressedTensors) {
    const Json golden = golden_json("targets.json");
    const auto modules = golden["modules"].get<std::vector<std::string>>();
    ASSERT_GE(golden["cases"].size(), 50u);
    for (const Json& one : golden["cases"]) {
        QuantizationConfig c;
        for (const auto& targets : one["groups"])
            c.groups.push_back(group_with(find_scheme("nvfp4"), targets));
        for (std::size_t i = 0; i < modules.size(); ++i) {
            const auto* group = c.find_group(modules[i]);
            EXPECT_EQ(group ? group - c.groups.data() : -1, one["found"][i].get<std::int64_t>())
                << modules[i] << " " << one["groups"];
        }
    }
}

TEST(MixedPrecision, RefusesWhatItCannotTell) {
    QuantizationConfig c;
    c.groups = {group_with(find_scheme("fp8"), {"re:.*down"}),
                group_with(find_scheme("nvfp4"), {"Linear"})};
    const auto refused = [&](const char* pointer, const Json& value, const char* why) {
        Json json = to_json(c);
        json[Json::json_pointer(pointer)] = value;
        EXPECT_THAT([&] { parsed(json); },
                    ThrowsMessage<Error>(AllOf(HasSubstr(why), Not(HasSubstr("\n")))))
            << pointer << value;
    };
    EXPECT_NO_THROW(parsed(to_json(c)));
    refused("/config_groups/group_0/format", nullptr, "group 'group_0' has no 'format'");
    refused("/config_groups/group_0/format", "mixed-precision", "not supported");
    refused("/config_groups/group_0/format", "naive-quantized", "not supported");
    refused("/config_groups/group_1/targets", {"re:.*down"}, "'re:.*down' is a target twice");
    refused("/config_groups/group_1", 1, "group 'group_1'");
    refused("/config_groups", Json::object(), "0 config_groups");
    refused("/format", "float-quantized", "'format'");
    refused("/halfbyte/groups/group_1/scheme", "mxfp4", "halfbyte says scheme 'mxfp4'");
    refused("/halfbyte/groups/group_0/weight_scales", "no-such-rule", "no-such-rule");
    refused("/halfbyte/groups/group_0", 7, "group_0");
    Json many = to_json(c);
    for (int i = 2; i < 300; ++i) {
        many["config_groups"][fmt::format("group_{}", i)] = many["config_groups"]["group_0"];
        many["config_groups"][fmt::format("group_{}", i)]["targets"] = {fmt::format("m{}", i)};
    }
    EXPECT_THROW(parsed(many), Error);
    Json patterns = Json::array();
    for (int i = 0; i < 2000; ++i) patterns.push_back(fmt::format("re:{}", i));
    refused("/config_groups/group_0/targets", patterns, "2000 patterns");
}

// No 'Linear' among the targets.
TEST(MixedPrecision, ALinearThatNoGroupTargetsIsRefused) {
    QuantizationConfig c;
    const Scheme& scheme = find_scheme("mxfp4");
    c.groups = {group_with(scheme, {"a"})};
    TemporaryFolder folder;
    folder.put("config.json", Json{{"quantization_config", to_json(c)}}.dump());
    auto tensors = tensors_of("a", random_tensor(scheme, 8, 128, 1, 1), 1);
    for (auto& tensor : tensors_of("b", random_tensor(scheme, 8, 128, 1, 2), 1))
        tensors.push_back(tensor);
    write_sharded(folder.path, tensors, 1 << 20);
    const auto checkpoint = Checkpoint::open(folder.path.string());
    EXPECT_TRUE(checkpoint.read_quantized("a", 8, 128));
    EXPECT_THAT([&] { checkpoint.read_quantized("b", 8, 128); },
                ThrowsMessage<Error>(HasSubstr("'b' is quantized, but no group targets it")));
}

}  // namespace
}  // namespace hb
