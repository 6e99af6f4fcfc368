// SPDX-License-Identifier: Apache-2.0
// Kurtosis and peaks against plain loops over what a plain forward pass gives.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "cli/tiny_model.hpp"
#include "model/model_tensors.hpp"
#include "study/activation_outliers.hpp"
#include "study/scale_histogram.hpp"

namespace hb {
namespace {

struct Plain {
    double kurtosis = 0, peak = 0;
};

Plain tails_of(const std::vector<float>& values) {
    double squares = 0, fourths = 0, largest = 0;
    for (const float x : values) {
        squares += std::pow(x, 2);
        fourths += std::pow(x, 4);
        largest = std::max(largest, std::abs(static_cast<double>(x)));
    }
    const auto n = static_cast<double>(values.size());
    return {fourths / n / std::pow(squares / n, 2), largest / std::sqrt(squares / n)};
}

TEST(Outliers, OfTheFirstSiteAreThoseOfTheNormedEmbedding) {
    const test::TemporaryFolder folder;
    test::write_tiny_model(folder / "model");
    const auto checkpoint = Checkpoint::open((folder / "model").string());
    Threads threads(2);
    Matrix<std::int32_t> tokens(2, 20);
    std::iota(tokens.values.begin(), tokens.values.end(), 5);
    const Decoder decoder =
        load_decoder(checkpoint, threads, {.baseline_precision = Precision::bf16});
    const Json all = activation_outliers(decoder, load_embedding(checkpoint, decoder.config),
                                         pick_kernels(), threads, tokens.view());
    ASSERT_EQ(all.size(), 4u * 2);

    const auto embedding = checkpoint.read("model.embed_tokens.weight", 128, 128);
    const auto weight = checkpoint.read("model.layers.0.input_layernorm.weight", 1, 128);
    std::vector<float> plain, rotated;
    for (const std::int32_t token : tokens.values) {
        Matrix<float> x(1, 128);
        double squares = 0;
        for (int c = 0; c < 128; ++c) squares += std::pow(embedding(token, c), 2) / 128;
        for (int c = 0; c < 128; ++c)
            x(0, c) =
                static_cast<float>(embedding(token, c) / std::sqrt(squares + 1e-5)) * weight(0, c);
        plain.insert(plain.end(), x.values.begin(), x.values.end());
        apply(parse_transform("hadamard:128", 128, 0), x.view());
        rotated.insert(rotated.end(), x.values.begin(), x.values.end());
    }
    EXPECT_EQ(all[0]["site"], "qkv");
    EXPECT_EQ(all[0]["rotation"], "hadamard:128");
    EXPECT_NEAR(all[0]["kurtosis"].get<double>(), tails_of(plain).kurtosis, 0.02);
    EXPECT_NEAR(all[0]["peak"].get<double>(), tails_of(plain).peak, 0.02);
    EXPECT_NEAR(all[0]["rotated_kurtosis"].get<double>(), tails_of(rotated).kurtosis, 0.02);
    EXPECT_NEAR(all[0]["rotated_peak"].get<double>(), tails_of(rotated).peak, 0.02);
}

// A row of 20 tokens in which one number stands out: rotation spreads it.
TEST(Outliers, ThreadsAndPaddingChangeNothing) {
    const test::TemporaryFolder folder;
    test::write_tiny_model(folder / "model", 4);
    const auto checkpoint = Checkpoint::open((folder / "model").string());
    Matrix<std::int32_t> tokens(1, 17);
    std::iota(tokens.values.begin(), tokens.values.end(), 5);
    std::vector<Json> seen;
    for (const int count : {1, 2}) {
        Threads threads(count);
        const Decoder decoder =
            load_decoder(checkpoint, threads, {.baseline_precision = Precision::bf16});
        seen.push_back(activation_outliers(decoder, load_embedding(checkpoint, decoder.config),
                                           pick_kernels(), threads, tokens.view()));
    }
    EXPECT_EQ(seen[0], seen[1]);
    for (const Json& site : seen[0]) {
        EXPECT_GE(site["kurtosis"].get<double>(), 1);
        EXPECT_GE(site["peak"].get<double>(), 1);
    }
}

TEST(ScaleHistogram, SharesAreOfAllScales) {
    const test::TemporaryFolder folder;
    test::write_tiny_model(folder / "model");
    for (const char* scheme : {"mxfp4", "nvfp4a16", "int8"}) {
        const std::string out = (folder / scheme).string();
        ASSERT_TRUE(test::succeeded(test::run({"quantize", (folder / "model").string(), out,
                                               "--scheme", scheme, "--recipe", "rtn"})));
        const auto quantized = Checkpoint::open(out);
        const Json histogram = scale_histogram(quantized, model_config(quantized));
        double sum = histogram["zeros"].get<double>();
        for (const Json& share : histogram["shares"]) sum += share.get<double>();
        EXPECT_NEAR(sum, 1, 1e-9) << scheme;
        EXPECT_GT(histogram["shares"].front().get<double>(), 0) << scheme;
        EXPECT_GT(histogram["shares"].back().get<double>(), 0) << scheme;
    }
}

}  // namespace
}  // namespace hb
