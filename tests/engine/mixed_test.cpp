// SPDX-License-Identifier: Apache-2.0
// A model of several schemes is its linears, each read and packed by itself with the input that its
// own scheme wants: the same logits, bit for bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "engine/logits.hpp"
#include "io/temporary_folder.hpp"
#include "layouts/random_model.hpp"

namespace hb {
namespace {

const std::vector<std::int32_t> kIds{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3};

test::ModelOptions options_of(const char* rest, const char* attention, const char* down) {
    test::ModelOptions o;
    o.shape.hidden = o.shape.intermediate = 128;
    o.shape.head_dim = 32;
    o.scheme = rest;
    o.scheme_for = {{"re:.*self_attn.*", attention}, {"model.layers.1.mlp.down_proj", down}};
    o.extreme = false;
    o.shared = true;
    return o;
}

// Without load_linears, and of the schemes that `o` says.
Decoder one_by_one(const Checkpoint& from, const test::ModelOptions& o, Threads& threads) {
    Decoder decoder = load_decoder(from, threads);
    const ModelConfig& config = decoder.config;
    for (std::int64_t layer = 0; layer < config.layers; ++layer) {
        Block& block = decoder.blocks[static_cast<std::size_t>(layer)];
        block = load_block_frame(from, config, layer);
        for (std::size_t i = 0; i < 7; ++i) {
            const LinearName& linear = block_linears()[i];
            const LinearShape shape = linear_shape(config, linear.name);
            const std::string module = module_name(layer, linear.name);
            const bool attention = linear.site < 2, last = layer == 1 && i == kDown;
            const auto& scheme = find_scheme(attention ? o.scheme_for[0].second
                                             : last    ? o.scheme_for[1].second
                                                       : o.scheme);
            const auto q = from.read_quantized(module, shape.out, shape.in);
            if (!q) {
                block.linears[i] = load_dense(from, config, layer, i, threads);
                continue;
            }
            EXPECT_EQ(q->scheme->name, scheme.name) << module;
            auto& quantizer = block.sites[static_cast<std::size_t>(linear.site)].quantizer;
            if (scheme.quantized_activations) {
                const auto& rule = find_scale_rule(scheme.activation_rule, scheme.family);
                const float divisor = scheme.family == Family::nv
                                          ? from.read(module + ".input_global_scale", 1, 1)(0, 0)
                                          : 1;
                quantizer = ActivationQuantizer{&scheme, &rule, divisor};
            }
            block.linears[i] =
                make_linear(*q, load_bias(from, module, shape.out),
                            quantizer ? &*quantizer : nullptr, WeightStorage::codes, threads);
        }
    }
    return decoder;
}

TEST(MixedModel, IsItsLinearsOneByOne) {
    Threads threads(2);
    for (const Scheme& rest : all_schemes()) {
        for (const Scheme& attention : all_schemes()) {
            const auto o = options_of(rest.name.data(), attention.name.data(), "fp8");
            const TemporaryFolder folder;
            test::write_model(folder.path / "m", o);
            const auto checkpoint = Checkpoint::open((folder.path / "m").string());
            const auto got = window_logits(checkpoint, kIds);
            const auto wanted =
                window_logits(one_by_one(checkpoint, o, threads), pick_kernels(), threads, kIds);
            EXPECT_EQ(got.values, wanted.values) << rest.name << " " << attention.name;
        }
    }
}

// Every linear counts: another scheme's codes of one give other logits.
TEST(MixedModel, DependsOnEachScheme) {
    const auto logits_of = [](const test::ModelOptions& o) {
        const TemporaryFolder folder;
        test::write_model(folder.path / "m", o);
        return window_logits(Checkpoint::open((folder.path / "m").string()), kIds).values;
    };
    const auto base = logits_of(options_of("nvfp4", "mxfp4", "fp8"));
    EXPECT_NE(base, logits_of(options_of("nvfp4", "mxfp4", "int8")));
    EXPECT_NE(base, logits_of(options_of("nvfp4", "nvfp4", "fp8")));
    EXPECT_NE(base, logits_of(options_of("mxfp4", "mxfp4", "fp8")));
}

TEST(MixedModel, RefusesOneInputQuantizedInTwoWays) {
    Threads threads(1);
    const TemporaryFolder folder;
    auto o = options_of("nvfp4", "fp8", "fp8");
    for (const auto& [scheme, other] : {std::pair{"int8", "fp8"}, {"nvfp4a16", "fp8"}}) {
        o.scheme_for[1] = {"model.layers.0.self_attn.k_proj", scheme};
        const auto model = folder.path / scheme;
        test::write_model(model, o);
        const auto checkpoint = Checkpoint::open(model.string());
        EXPECT_THAT([&] { load_decoder(checkpoint, threads); },
                    testing::ThrowsMessage<Error>(
                        testing::AllOf(testing::HasSubstr("layers.0.self_attn.k_proj"),
                                       testing::HasSubstr(scheme), testing::HasSubstr(other))));
    }
    o.scheme_for = {};
    o.shared = false;  // q, k and v have scales of their own
    test::write_model(folder.path / "scales", o);
    EXPECT_THAT([&] { load_decoder(Checkpoint::open((folder.path / "scales").string()), threads); },
                testing::ThrowsMessage<Error>(testing::AllOf(
                    testing::HasSubstr("layers.0.self_attn.k_proj.input_global_scale"),
                    testing::HasSubstr("halfbyte doctor"))));
    o = options_of("nvfp4", "int4g32", "fp8");
    o.scheme_for[1] = {"model.layers.0.self_attn.k_proj", "nvfp4a16"};  // both leave it in 16 bits
    test::write_model(folder.path / "m", o);
    EXPECT_NO_THROW(load_decoder(Checkpoint::open((folder.path / "m").string()), threads));
}

}  // namespace
}  // namespace hb
