// SPDX-License-Identifier: Apache-2.0
// Inputs of weight-only linears in MXINT8: the model that was loaded so is the one that was loaded
// as stored, with that quantizer at every site; rotations stay, the loss is small, and a model
// whose linears quantize their inputs already is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "engine/logits.hpp"
#include "engine/random_model.hpp"
#include "io/temporary_folder.hpp"
#include "layouts/random_model.hpp"

namespace hb {
namespace {

const std::vector<std::int32_t> kIds{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3};

const Scheme& mxint8() {
    return *find_activations("mxint8");
}

test::ModelOptions options_of(std::string_view scheme) {
    test::ModelOptions o;
    o.shape.hidden = o.shape.intermediate = 128;
    o.shape.head_dim = 32;
    o.scheme = scheme;
    o.extreme = false;
    o.shared = true;
    o.transform = "hadamard:32";
    return o;
}

Decoder load(const Checkpoint& from, const Scheme* activations) {
    Threads threads(2);
    LoadOptions options;
    options.activations = activations;
    return load_decoder(from, threads, options);
}

Matrix<float> logits_of(const Decoder& decoder) {
    Threads threads(2);
    return window_logits(decoder, pick_kernels(), threads, kIds);
}

TEST(Activations, AreRoundedAtEverySiteOfAWeightOnlyModel) {
    for (const Scheme& scheme : all_schemes()) {
        if (scheme.quantized_activations) continue;
        const TemporaryFolder folder;
        test::write_model(folder.path / "m", options_of(scheme.name));
        const auto checkpoint = Checkpoint::open((folder.path / "m").string());
        const Decoder got = load(checkpoint, &mxint8());
        Decoder wanted = load(checkpoint, nullptr);
        const auto stored = logits_of(wanted).values;
        const auto under = [&](const Scheme& s) {
            for (Block& block : wanted.blocks)
                for (Site& site : block.sites)
                    site.quantizer = {&s, &find_scale_rule(s.activation_rule, s.family), 1};
            return logits_of(wanted).values;
        };
        const auto logits = logits_of(got).values, four_bits = under(find_scheme("mxfp4"));
        EXPECT_EQ(logits, under(mxint8())) << scheme.name;
        EXPECT_EQ(got.blocks[1].sites[3].transform.text(), "hadamard:32");
        EXPECT_NE(logits, stored) << scheme.name;
        EXPECT_LT(6 * relative_difference(stored, logits), relative_difference(stored, four_bits))
            << scheme.name;
    }
}

void expect_refused(const std::filesystem::path& model, std::vector<std::string> words) {
    const auto checkpoint = Checkpoint::open(model.string());
    for (const std::string& word : words)
        EXPECT_THAT([&] { load(checkpoint, &mxint8()); },
                    testing::ThrowsMessage<Error>(testing::HasSubstr(word)));
}

TEST(Activations, AreRefusedWhereInputsAreQuantizedAlreadyOrNothingIs) {
    const TemporaryFolder folder;
    for (const Scheme& scheme : all_schemes()) {
        if (!scheme.quantized_activations) continue;
        const auto model = folder.path / scheme.name;
        test::write_model(model, options_of(scheme.name));
        expect_refused(model, {"model.layers.0.self_attn.q_proj", std::string(scheme.name),
                               "mxint8", "weight-only"});
    }
    auto mixed = options_of("mxfp4a16");
    mixed.scheme_for = {{"model.layers.1.mlp.down_proj", "fp8"}};
    test::write_model(folder.path / "mixed", mixed);
    expect_refused(folder.path / "mixed", {"model.layers.1.mlp.down_proj", "fp8"});
    auto narrow = options_of("nvfp4a16");
    narrow.shape.intermediate = 144;
    narrow.transform = "none";
    test::write_model(folder.path / "narrow", narrow);
    expect_refused(folder.path / "narrow", {"down_proj", "144 inputs", "32"});
    const std::filesystem::path dense = HALFBYTE_TESTS_DIR "/engine/golden/llama";
    expect_refused(dense, {"not quantized", "mxint8"});
}

TEST(Activations, AreKnownByName) {
    EXPECT_EQ(find_activations("stored"), nullptr);
    EXPECT_EQ(mxint8().name, "mxint8");
    EXPECT_THAT([] { find_activations("int8"); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("stored, mxint8")));
}

// What is multiplied in whole numbers is what the reference multiplies one by one.
TEST(Activations, GiveTheSameLogitsOnEveryTableButAmx) {
    Threads threads(2);
    const ModelConfig config = config_of(find_random_shape("llama-tiny"));
    for (const char* scheme : {"mxfp4a16", "nvfp4a16", "int4g128"}) {
        RandomModelOptions options{&find_scheme(scheme), "hadamard:32"};
        options.activations = &mxint8();
        const Decoder decoder = random_decoder(config, options, threads);
        const auto wanted = window_logits(decoder, find_kernels("ref"), threads, kIds).values;
        for (const char* table : {"avx2", "avx512vnni"}) {
            const Kernels* kernels = nullptr;
            try {
                kernels = &find_kernels(table);
            } catch (const Error&) {
                continue;  // not on this machine
            }
            EXPECT_EQ(window_logits(decoder, *kernels, threads, kIds).values, wanted)
                << scheme << ' ' << table;
        }
    }
    RandomModelOptions options{&find_scheme("fp8")};
    options.activations = &mxint8();
    EXPECT_THROW(random_decoder(config, options, threads), Error);
}

}  // namespace
}  // namespace hb
