// SPDX-License-Identifier: Apache-2.0
// The decoder against Transformers' fp32 logits (golden/make_models.py), and against itself:
// however the rows of a sequence are cut or batched, the bits are the same. HALFBYTE_GOLDEN_MODELS
// names more folders of that form (config.json, model.safetensors, tokens.i32, logits.f32),
// colon-separated.
#include "engine/logits.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "core/file.hpp"
#include "engine/generate.hpp"

namespace hb {
namespace {

template <class T>
std::vector<T> load_array(const std::string& file) {
    const std::string bytes = read_file(file);
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

std::vector<std::string> golden_folders() {
    std::vector<std::string> folders;
    for (const char* name : {"llama", "llama31", "mistral", "qwen2", "qwen3"})
        folders.push_back(std::string(HALFBYTE_TESTS_DIR) + "/engine/golden/" + name);
    if (const char* more = std::getenv("HALFBYTE_GOLDEN_MODELS")) {
        std::istringstream parts(more);
        for (std::string part; std::getline(parts, part, ':');) folders.push_back(part);
    }
    return folders;
}

class GoldenModel : public testing::TestWithParam<std::string> {
protected:
    Threads threads{2};
    const Kernels& kernels = pick_kernels();
    Checkpoint checkpoint = Checkpoint::open(GetParam());
    std::vector<std::int32_t> tokens = load_array<std::int32_t>(GetParam() + "/tokens.i32");

    Matrix<float> window_logits(const Decoder& decoder, std::span<const std::int32_t> ids) {
        return hb::window_logits(decoder, kernels, threads, ids);
    }
};

TEST_P(GoldenModel, LogitsAgreeWithTransformers) {
    const Decoder decoder = load_decoder(checkpoint, threads);
    const Matrix<float> ours = window_logits(decoder, tokens);
    const auto theirs = load_array<float>(GetParam() + "/logits.f32");
    ASSERT_EQ(ours.values.size(), theirs.size());
    // fp32 sums of at most a few thousand terms in another order: a few 1e-6; ten times that is a
    // bug.
    EXPECT_LT(relative_difference(theirs, ours.values), 5e-5);
}

TEST_P(GoldenModel, CutAndBatchChangeNoBit) {
    LoadOptions options;
    for (const auto& [precision, kv] : {std::pair{Precision::f32, KvType::same},
                                        {Precision::bf16, KvType::same},
                                        {Precision::f32, KvType::bf16},
                                        {Precision::f32, KvType::int8}}) {
        options.baseline_precision = precision;
        options.kv = kv;
        const Decoder decoder = load_decoder(checkpoint, threads, options);
        const Matrix<float> whole = window_logits(decoder, tokens);
        Sequence one = make_sequence(decoder, 64), two = make_sequence(decoder, 64);
        Scratch scratch;
        Matrix<float> hidden, out(64, decoder.config.vocab);
        const std::span<const std::int32_t> all = tokens;
        std::size_t at = 0;
        for (const std::size_t count : {5u, 1u, 1u, 10u, 7u}) {
            const Request requests[2] = {{&one, all.subspan(at, count)}, {&two, all.first(3)}};
            forward(decoder, kernels, threads, requests, scratch, hidden);
            logits(decoder, kernels, threads, hidden.view(), scratch,
                   View<float>{out.values.data(), hidden.rows, out.cols, out.cols});
            for (std::size_t r = 0; r < count; ++r)
                ASSERT_EQ(0, std::memcmp(out.row(static_cast<std::int64_t>(r)),
                                         whole.row(static_cast<std::int64_t>(at + r)),
                                         static_cast<std::size_t>(out.cols) * 4))
                    << "row " << at + r;
            at += count;
        }
    }
}

TEST_P(GoldenModel, GreedyGenerationFollowsTheLargestLogit) {
    const Decoder decoder = load_decoder(checkpoint, threads);
    std::vector<std::int32_t> ids(tokens.begin(), tokens.begin() + 4);
    generate(decoder, kernels, threads, ids, 6, {}, [&](std::int32_t token) {
        const Matrix<float> out = window_logits(decoder, ids);
        const float* last = out.row(out.rows - 1);
        EXPECT_EQ(token, std::max_element(last, last + out.cols) - last);
        ids.push_back(token);
        return true;
    });
    EXPECT_GT(ids.size(), 4u);
}

TEST_P(GoldenModel, SampledRowsDoNotDependOnThreadsAndDependOnTheSeed) {
    const Decoder decoder = load_decoder(checkpoint, threads);
    Threads alone(1);
    const auto a = generate_rows(decoder, kernels, threads, 5, 12, 7, {});
    const auto b = generate_rows(decoder, kernels, alone, 5, 12, 7, {});
    const auto c = generate_rows(decoder, kernels, threads, 5, 12, 8, {});
    EXPECT_EQ(a.values, b.values);
    EXPECT_NE(a.values, c.values);
}

INSTANTIATE_TEST_SUITE_P(Every, GoldenModel, testing::ValuesIn(golden_folders()),
                         [](const auto& model) {
                             return model.param.substr(model.param.rfind('/') + 1);
                         });

TEST(Sample, TopPAndTopKCutTheTail) {
    const std::vector<float> logits = {0, 5, 4, -10, 4};
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Random random{seed, 0};
        EXPECT_EQ(sample(logits, {1, 1, 1, 0}, random), 1);
        EXPECT_EQ(sample(logits, {1, 0.1f, 0, 0}, random), 1);
        const auto token = sample(logits, {1, 1, 2, 0}, random);
        EXPECT_TRUE(token == 1 || token == 2);
        EXPECT_NE(sample(logits, {1, 1, 0, 0}, random), 3);
    }
    Random random{0, 0};
    EXPECT_EQ(sample(logits, {}, random), 1);
}

}  // namespace
}  // namespace hb
