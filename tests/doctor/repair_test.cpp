// SPDX-License-Identifier: Apache-2.0
// A repaired copy is sound again and has every other byte of the original; nothing is written where
// nothing can be repaired exactly.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "doctor/doctor.hpp"
#include "doctor/patient.hpp"

namespace hb::doctor {
namespace {

using test::Patient;
namespace fs = std::filesystem;
const std::string kUp = "model.layers.0.mlp.up_proj";

std::string worse_than_notes(const fs::path& model) {
    Threads threads(1);
    std::string text;
    for (const auto& f : examine(model.string(), threads).findings)
        if (f.kind->severity != Severity::note)
            text += fmt::format("{} {}: {}\n", f.kind->name, f.where, f.value);
    return text;
}

std::vector<std::string> examine_and_repair(const fs::path& model, const fs::path& out) {
    Threads threads(1);
    return repair(model.string(), examine(model.string(), threads).findings, out);
}

struct Case {
    const char *layout, *scheme;
    std::function<void(const Patient&)> inject;
};

TEST(Repair, GivesASoundCopy) {
    const Case cases[] = {
        {"compressed-tensors", "nvfp4",
         [](const Patient& p) {
             p.shard();
             p.index([](Json& json) {
                 json["weight_map"].erase("model.norm.weight");
                 json["weight_map"]["old.weight"] = "model-00001-of-00002.safetensors";
             });
         }},
        {"modelopt", "nvfp4",
         [](const Patient& p) {
             p.shard();
             fs::remove(p.path / "model.safetensors.index.json");
         }},
        {"compressed-tensors", "int4g32",
         [](const Patient& p) { p.quantization([](Json& q) {
                                    q["ignore"] = {"lm_head", kUp};
                                }); }},
        {"fp-quant", "mxfp4",
         [](const Patient& p) {
             p.quantization([](Json& q) { q["modules_to_not_convert"] = {"lm_head", "layers.0"}; });
         }},
        {"compressed-tensors", "mxfp4",
         [](const Patient& p) {
             p.quantization([](Json& q) {
                 q["config_groups"]["group_0"]["input_activations"].erase("scale_dtype");
             });
         }},
        {"modelopt", "nvfp4",
         [](const Patient& p) {
             for (const char* linear : {"up_proj", "gate_proj"})
                 p.poke(fmt::format("model.layers.0.mlp.{}.weight_scale_2", linear), 4096.f);
         }},
    };
    for (const Case& c : cases) {
        const TemporaryFolder folder;
        const Patient patient{test::write_sound(folder.path, c.layout, c.scheme)};
        c.inject(patient);
        ASSERT_NE(worse_than_notes(patient.path), "");
        const auto out = folder.path / "repaired";
        EXPECT_FALSE(examine_and_repair(patient.path, out).empty());
        EXPECT_EQ(worse_than_notes(out), "") << c.layout << " " << c.scheme;
        for (const auto& entry : fs::directory_iterator(patient.path)) {
            const auto name = entry.path().filename();
            EXPECT_TRUE(fs::exists(out / name)) << name;
            if (name.string().ends_with(".safetensors")) {
                EXPECT_EQ(fs::file_size(out / name), entry.file_size());
            }
        }
    }
}

TEST(Repair, ChangesNothingButTheReversedNumber) {
    const TemporaryFolder folder;
    const Patient patient{test::write_sound(folder.path, "compressed-tensors", "nvfp4")};
    const auto before = read_file(patient.weights());
    for (const char* linear : {"up_proj", "gate_proj"})
        patient.poke(fmt::format("model.layers.0.mlp.{}.weight_global_scale", linear), 0x1p-12f);
    examine_and_repair(patient.path, folder.path / "out");
    for (const char* linear : {"up_proj", "gate_proj"})
        patient.poke(fmt::format("model.layers.0.mlp.{}.weight_global_scale", linear), 0x1p12f);
    EXPECT_EQ(read_file(folder.path / "out/model.safetensors"), read_file(patient.weights()));
}

TEST(Repair, RefusesWhereNothingIsExact) {
    const auto refused = [&](const fs::path& model, const fs::path& out, const char* reason) {
        EXPECT_THAT([&] { examine_and_repair(model, out); },
                    testing::ThrowsMessage<Error>(testing::HasSubstr(reason)));
    };
    const TemporaryFolder folder;
    const Patient patient{test::write_sound(folder.path, "compressed-tensors", "nvfp4")};
    refused(patient.path, folder.path / "out", "nothing was found that can be repaired");
    patient.poke(kUp + ".weight_scale", std::uint8_t{0x7f});
    refused(patient.path, folder.path / "out", "nothing was found that can be repaired");
    EXPECT_FALSE(fs::exists(folder.path / "out"));
    patient.quantization([](Json& q) { q["ignore"] = {"lm_head"}; });
    folder.put("taken/x", "");
    refused(patient.path, folder.path / "taken", "not an empty folder");
}

}  // namespace
}  // namespace hb::doctor
