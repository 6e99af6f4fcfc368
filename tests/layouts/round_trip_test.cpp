// SPDX-License-Identifier: Apache-2.0
// Out to another layout and back gives the same bytes of codes, scales, divisors and everything
// else, whatever they were.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.hpp"
#include "io/temporary_folder.hpp"
#include "layouts/convert.hpp"
#include "layouts/random_model.hpp"

namespace hb {
namespace {

namespace fs = std::filesystem;
using test::ModelOptions;

Conversion convert_to(const fs::path& in, const fs::path& out, const char* layout,
                      bool allow_loss = false) {
    return convert(in.string(), out, find_layout(layout), {allow_loss});
}

void expect_same_folder(const fs::path& a, const fs::path& b) {
    EXPECT_EQ(read_file(a / "model.safetensors"), read_file(b / "model.safetensors"));
    EXPECT_EQ(Json::parse(read_file(a / "config.json")), Json::parse(read_file(b / "config.json")));
}

struct Trip {
    const char *home, *by, *scheme;
    float mx_divisor = 1;
    const char* transform = "none";
    const char* down = nullptr;  // its own scheme
};

constexpr Trip kTrips[] = {
    {"compressed-tensors", "gguf", "nvfp4"},
    {"compressed-tensors", "gguf", "nvfp4a16"},
    {"compressed-tensors", "gguf", "mxfp4"},
    {"compressed-tensors", "gguf", "mxfp4a16"},
    {"compressed-tensors", "modelopt", "nvfp4"},
    {"compressed-tensors", "modelopt", "nvfp4a16"},
    {"compressed-tensors", "fp-quant", "nvfp4"},
    {"compressed-tensors", "fp-quant", "mxfp4"},
    {"compressed-tensors", "halfbyte", "nvfp4"},
    {"compressed-tensors", "halfbyte", "int4g32"},
    {"halfbyte", "gguf", "mxfp4", 3},
    {"halfbyte", "gguf", "mxfp4a16", 2.7182817f},
    {"halfbyte", "fp-quant", "mxfp4", 3},
    {"halfbyte", "fp-quant", "mxfp4", 3, "hadamard:32"},
    {"halfbyte", "fp-quant", "nvfp4", 1, "hadamard:16"},
    {"halfbyte", "fp-quant", "nvfp4", 1, "gsr:64"},
    {"compressed-tensors", "gguf", "nvfp4", 1, "none", "mxfp4"},
    {"compressed-tensors", "gguf", "mxfp4a16", 1, "none", "nvfp4"},
    {"compressed-tensors", "halfbyte", "nvfp4", 1, "none", "fp8"},
    {"compressed-tensors", "halfbyte", "int8", 1, "none", "int4g32"},
    {"halfbyte", "gguf", "nvfp4", 3, "none", "mxfp4"},
};

class RoundTrip : public testing::TestWithParam<Trip> {};

TEST_P(RoundTrip, GivesTheSameBytes) {
    const Trip& trip = GetParam();
    const char* types[] = {"llama", "qwen2", "qwen3", "mistral"};
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        ModelOptions o;
        o.shape.type = types[seed % 4];
        o.shape.tied = seed % 3 == 0;
        o.scheme = trip.scheme;
        o.seed = seed;
        o.one_dense = seed % 2 == 0;
        o.mx_divisor = trip.mx_divisor;
        o.transform = trip.transform;
        if (trip.down) o.scheme_for = {{"re:.*down_proj", trip.down}};
        const TemporaryFolder folder;
        const auto at = [&](const char* name) { return folder.path / name; };
        test::write_model(at("made"), o);
        convert_to(at("made"), at("home"), trip.home);
        const auto there = convert_to(at("home"), at("away"), trip.by);
        const auto back = convert_to(at("away"), at("back"), trip.home);
        expect_same_folder(at("home"), at("back"));
        EXPECT_EQ(there.proof.largest, 0);
        EXPECT_EQ(there.proof.digest_in, there.proof.digest_out);
        EXPECT_EQ(there.proof.digest_in, back.proof.digest_out);
        EXPECT_EQ(there.proof.coded, o.one_dense ? 13 : 14);
    }
}

INSTANTIATE_TEST_SUITE_P(Every, RoundTrip, testing::ValuesIn(kTrips), [](const auto& trip) {
    const Trip& p = trip.param;
    std::string name = fmt::format("{}_{}_{}_{}", p.home, p.by, p.scheme, trip.index);
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

TEST(RoundTrip, FpQuantAndGgufCarryEachOther) {
    for (const auto& [scheme, divisor] : {std::pair{"nvfp4", 1.f}, {"mxfp4", 3.f}}) {
        ModelOptions o;
        o.scheme = scheme;
        o.mx_divisor = divisor;
        const TemporaryFolder folder;
        test::write_model(folder.path / "made", o);
        convert_to(folder.path / "made", folder.path / "fp", "fp-quant");
        const auto there = convert_to(folder.path / "fp", folder.path / "a.gguf", "gguf");
        convert_to(folder.path / "a.gguf", folder.path / "back", "fp-quant");
        expect_same_folder(folder.path / "fp", folder.path / "back");
        EXPECT_EQ(there.proof.digest_in, there.proof.digest_out);
    }
}

TEST(RoundTrip, ThroughAllLayoutsInARow) {
    const TemporaryFolder folder;
    const ModelOptions o;
    test::write_model(folder.path / "0", o);
    int step = 0;
    for (const char* layout :
         {"modelopt", "gguf", "fp-quant", "gguf", "modelopt", "halfbyte", "compressed-tensors"}) {
        const auto from = folder.path / std::to_string(step);
        convert_to(from, folder.path / std::to_string(++step), layout);
    }
    expect_same_folder(folder.path / "0", folder.path / std::to_string(step));
}

TEST(Proof, CountsEveryValueAndLinear) {
    const TemporaryFolder folder;
    ModelOptions o;
    o.one_dense = false;
    test::write_model(folder.path / "in", o);
    const auto c = convert_to(folder.path / "in", folder.path / "out", "modelopt");
    const std::int64_t block = 2 * 64 * 64 + 2 * 32 * 64 + 3 * 128 * 64 + 2 * 64;
    EXPECT_EQ(c.proof.values, 2 * 32 * 64 + 64 + 2 * block);
    EXPECT_EQ(c.proof.tensors, 3 + 2 * 9);
    EXPECT_EQ(c.proof.coded, 14);
}

TEST(Bf16, IsExactForMxfp4AndTellsTheLossForNvfp4) {
    const TemporaryFolder folder;
    ModelOptions o;
    o.scheme = "mxfp4a16";
    test::write_model(folder.path / "mx", o);
    const auto exact = convert_to(folder.path / "mx", folder.path / "mx-bf16", "bf16");
    EXPECT_EQ(exact.proof.digest_in, exact.proof.digest_out);
    EXPECT_FALSE(Checkpoint::open((folder.path / "mx-bf16").string())
                     .config()
                     .contains("quantization_config"));
    o.scheme = "nvfp4a16";
    o.extreme = false;
    test::write_model(folder.path / "nv", o);
    EXPECT_THROW(convert_to(folder.path / "nv", folder.path / "nv-bf16", "bf16"), Error);
    EXPECT_FALSE(fs::exists(folder.path / "nv-bf16"));
    const auto lossy = convert_to(folder.path / "nv", folder.path / "nv-bf16", "bf16", true);
    EXPECT_GT(lossy.proof.largest, 0);
    EXPECT_GT(lossy.proof.relative, 1e-4);
    EXPECT_LT(lossy.proof.relative, 1. / 256);  // half a unit of bf16's eight bits
}

}  // namespace
}  // namespace hb
