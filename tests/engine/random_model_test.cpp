// SPDX-License-Identifier: Apache-2.0
// The random model computes what a real one would: finite numbers of a sane size under every
// scheme, the same bits for the same seed on any number of threads. The counts of operations and
// bytes agree with each other.
#include "engine/random_model.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "core/error.hpp"
#include "engine/speed.hpp"

namespace hb {
namespace {

RandomModelOptions options_for(const Scheme& scheme, std::uint64_t seed = 0) {
    const bool rotated = scheme.family == Family::mx || scheme.family == Family::nv;
    RandomModelOptions o{&scheme, rotated ? "hadamard:16" : "none", nullptr, seed};
    if (scheme.quantized_activations)
        o.activation_rule = &find_scale_rule(scheme.activation_rule, scheme.family);
    return o;
}

const ModelConfig& tiny() {
    static const ModelConfig config = config_of(find_random_shape("llama-tiny"));
    return config;
}

Matrix<float> logits_of(const Decoder& decoder, Threads& threads) {
    const std::vector<std::int32_t> tokens = {1, 500, 3, 77, 200, 77, 9};
    Scratch scratch;
    Matrix<float> hidden, out(static_cast<std::int64_t>(tokens.size()), decoder.config.vocab);
    forward_window(decoder, pick_kernels(), threads, tokens, scratch, hidden);
    logits(decoder, pick_kernels(), threads, hidden.view(), scratch, out.view());
    return out;
}

class RandomModel : public testing::TestWithParam<std::string> {};

TEST_P(RandomModel, LogitsAreFiniteAndOfASaneSize) {
    Threads threads(1);
    const auto out =
        logits_of(random_decoder(tiny(), options_for(find_scheme(GetParam())), threads), threads);
    double sum = 0;
    for (const float x : out.values) {
        ASSERT_TRUE(std::isfinite(x));
        sum += static_cast<double>(x) * x;
    }
    const double size = std::sqrt(sum / static_cast<double>(out.values.size()));
    // normed rows by a head of 0.02: about 0.02 sqrt(128)
    EXPECT_GT(size, 0.1);
    EXPECT_LT(size, 0.5);
}

TEST_P(RandomModel, RowsOfWeightsHaveALengthNearOne) {
    Threads threads(1);
    const Decoder decoder = random_decoder(tiny(), options_for(find_scheme(GetParam())), threads);
    for (const Block& block : decoder.blocks) {
        for (std::size_t i = 0; i < 7; ++i) {
            const Linear& linear = block.linears[i];
            const auto& site = block.sites[static_cast<std::size_t>(block_linears()[i].site)];
            Matrix<float> one(1, linear.weight.k), y(1, linear.weight.n);
            Operand x;
            double sum = 0;
            for (std::int64_t c = 0; c < one.cols; ++c) {
                one.values.assign(one.values.size(), 0);
                one(0, c) = 1;
                prepare_operand(pick_kernels(), threads, one.view(), Transform{}, nullptr,
                                Precision::bf16, x);
                gemm(pick_kernels(), threads, x, linear.weight, y.view(), linear.alpha);
                for (const float w : y.values) sum += static_cast<double>(w) * w;
            }
            const double divisor = site.quantizer ? site.quantizer->divisor : 1;
            const double length = std::sqrt(sum / static_cast<double>(linear.weight.n)) * divisor;
            EXPECT_GT(length, 0.5) << block_linears()[i].name;
            EXPECT_LT(length, 2) << block_linears()[i].name;
        }
    }
}

TEST_P(RandomModel, TheSeedDecidesAndThreadsDoNot) {
    Threads one(1), three(3);
    const Scheme& scheme = find_scheme(GetParam());
    const auto a = logits_of(random_decoder(tiny(), options_for(scheme), one), one);
    const auto b = logits_of(random_decoder(tiny(), options_for(scheme), three), three);
    const auto c = logits_of(random_decoder(tiny(), options_for(scheme, 1), one), one);
    EXPECT_EQ(a.values, b.values);
    EXPECT_NE(a.values, c.values);
}

INSTANTIATE_TEST_SUITE_P(Every, RandomModel, testing::ValuesIn([] {
                             std::vector<std::string> names;
                             for (const Scheme& scheme : all_schemes())
                                 names.emplace_back(scheme.name);
                             return names;
                         }()),
                         [](const auto& scheme) { return scheme.param; });

TEST(RandomShapes, AreRealOnes) {
    const auto parameters = [](const char* name) {
        const ModelConfig c = config_of(find_random_shape(name));
        std::int64_t sum = c.vocab * c.hidden * (c.tied ? 1 : 2) + (2 * c.layers + 1) * c.hidden;
        for (const LinearName& linear : block_linears()) {
            const LinearShape s = linear_shape(c, linear.name);
            sum += c.layers * s.out * s.in;
        }
        return sum;
    };
    EXPECT_EQ(parameters("llama-1b"), 1235814400);  // as their model cards say
    EXPECT_EQ(parameters("llama-8b"), 8030261248);
    EXPECT_THROW(find_random_shape("llama-2b"), Error);
}

TEST(RandomModelRefuses, AGroupThatDoesNotDivide) {
    Threads threads(1);
    ModelConfig config = tiny();
    config.intermediate = 192;
    EXPECT_THROW(random_decoder(config, options_for(find_scheme("int4g128")), threads), Error);
}

TEST(Speed, AStepIsAPromptOfOneToken) {
    const ModelConfig& c = tiny();
    EXPECT_DOUBLE_EQ(decode_flops(c, 1, 1), prompt_flops(c, 1));
    const double head = 2.0 * static_cast<double>(c.vocab * c.hidden);
    EXPECT_DOUBLE_EQ(decode_flops(c, 7, 1), prompt_flops(c, 7) + 6 * head);
    EXPECT_DOUBLE_EQ(decode_flops(c, 7, 3), 3 * decode_flops(c, 7, 1));
}

TEST(Speed, ASlidingWindowBoundsAttention) {
    ModelConfig c = tiny();
    const auto growth = [&] { return prompt_flops(c, 9) - prompt_flops(c, 8); };
    const double open = growth();
    c.sliding_window = 4;
    const double position = 4.0 * static_cast<double>(c.layers * c.heads * c.head_dim);
    EXPECT_DOUBLE_EQ(open - growth(), 5 * position);
}

TEST(Speed, AStepReadsEveryLinearAndTheHeadOnce) {
    Threads threads(1);
    const ModelConfig& c = tiny();
    const Decoder decoder = random_decoder(c, options_for(find_scheme("nvfp4")), threads);
    EXPECT_EQ(weight_bytes(decoder), linear_bytes(decoder) + stored_bytes(decoder.head));
    EXPECT_EQ(stored_bytes(decoder.head), 2 * c.vocab * c.hidden);
    EXPECT_GT(linear_bytes(decoder), 0);
}

TEST(Speed, BothAreTimed) {
    Threads threads(1);
    const Decoder decoder = random_decoder(tiny(), options_for(find_scheme("mxfp4")), threads);
    Scratch scratch;
    const TimedRun run{decoder, pick_kernels(), threads};
    EXPECT_GT(time_prompt(run, 5, scratch), 0);
    EXPECT_GT(time_decode(run, 3, 2, scratch), 0);
}

}  // namespace
}  // namespace hb
