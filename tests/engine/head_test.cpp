// SPDX-License-Identifier: Apache-2.0
// A head in another type: its logits are off by no more than its numbers are; its bits depend
// neither on threads nor on how it lies in memory or was cut into parts; what a file holds is kept.
#include "engine/head.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "core/random.hpp"
#include "engine/decoder.hpp"
#include "engine/random_model.hpp"
#include "io/make_gguf.hpp"
#include "io/temporary_folder.hpp"

namespace hb {
namespace {

constexpr HeadType kEvery[] = {HeadType::stored, HeadType::bf16,  HeadType::q8_0,
                               HeadType::q8_0a8, HeadType::mxfp4, HeadType::nvfp4};
const std::vector<std::int32_t> kTokens = {1, 5, 3, 7, 2, 0, 6};

Matrix<float> random_matrix(std::int64_t rows, std::int64_t cols) {
    Random random{9};
    Matrix<float> m(rows, cols);
    for (float& x : m.values) x = random.normal();
    return m;
}

RowSource rows_of(const Matrix<float>& m) {
    return {m.rows, m.cols, [&](std::int64_t first, std::int64_t count) {
                Matrix<float> part(count, m.cols);
                std::copy_n(m.row(first), count * m.cols, part.values.begin());
                return part;
            }};
}

Matrix<float> hidden_of(const Decoder& decoder, Threads& threads) {
    Scratch scratch;
    Matrix<float> hidden;
    forward_window(decoder, pick_kernels(), threads, kTokens, scratch, hidden);
    return hidden;
}

Matrix<float> logits_of(const Decoder& decoder, const Matrix<float>& hidden, Threads& threads) {
    Scratch scratch;
    Matrix<float> out(hidden.rows, decoder.config.vocab);
    logits(decoder, pick_kernels(), threads, hidden.view(), scratch, out.view());
    return out;
}

Decoder load(const std::string& model, HeadType head, Threads& threads,
             WeightStorage storage = WeightStorage::codes) {
    LoadOptions options;
    options.head = head;
    options.storage = storage;
    return load_decoder(Checkpoint::open(model), threads, options);
}

class HeadOfModel : public testing::TestWithParam<std::string> {
protected:
    std::string folder = std::string(HALFBYTE_TESTS_DIR) + "/engine/golden/" + GetParam();
    Threads one{1}, two{2};
};

// A weight w of a group with the largest magnitude A is off by half a step A / 127, by the rounding
// to bf16 (2^-9 of itself) and by that of the scale, which may cut A (2^-11 of it). The sums add
// less than 2^-17 of the sum of magnitudes: they have at most 32 terms.
TEST_P(HeadOfModel, LogitsInQ8AreAsFarOffAsItsNumbers) {
    const Decoder plain = load(folder, HeadType::stored, one),
                  coded = load(folder, HeadType::q8_0, one);
    ASSERT_EQ(coded.head.coding, Coding::q8);
    const Matrix<float> hidden = hidden_of(plain, one);
    const Matrix<float> expected = logits_of(plain, hidden, one),
                        got = logits_of(coded, hidden, one);
    const std::int64_t vocab = plain.config.vocab, k = plain.config.hidden;
    Matrix<float> w(1, k);
    double off = 0;
    for (std::int32_t token = 0; token < vocab; ++token) {
        unpack_rows(pick_kernels(), plain.head, {&token, 1}, 1, w.view());
        for (std::int64_t r = 0; r < hidden.rows; ++r) {
            double tolerance = 0;
            for (std::int64_t c = 0; c < k; ++c) {
                float amax = 0;
                for (std::int64_t i = c / 32 * 32; i < c / 32 * 32 + 32; ++i)
                    amax = std::max(amax, std::fabs(w(0, i)));
                const double number = 0.5 * amax / 127 * (1 + 0x1p-10) + amax * 0x1p-11 +
                                      std::fabs(w(0, c)) * (0x1p-9 + 0x1p-17);
                tolerance += std::fabs(hidden(r, c)) * number;
            }
            ASSERT_NEAR(got(r, token), expected(r, token), tolerance) << r << ' ' << token;
            off = std::max(off, std::fabs(double(got(r, token)) - expected(r, token)));
        }
    }
    EXPECT_GT(off, 0);
}

TEST_P(HeadOfModel, BitsDependOnNeitherThreadsNorStorage) {
    for (const HeadType type : kEvery) {
        const Decoder decoder = load(folder, type, one), again = load(folder, type, two),
                      tiles = load(folder, type, two, WeightStorage::tiles);
        const auto hidden = hidden_of(decoder, one);
        const auto expected = logits_of(decoder, hidden, one).values;
        EXPECT_EQ(hidden_of(again, two).values, hidden.values);
        EXPECT_EQ(logits_of(again, hidden, two).values, expected);
        EXPECT_EQ(hidden_of(tiles, two).values, hidden.values);
        EXPECT_EQ(logits_of(tiles, hidden, two).values, expected);
        EXPECT_EQ(decoder.embedding.rows > 0, !decoder.config.tied);
    }
}

TEST_P(HeadOfModel, LossesAreThoseOfTheLogits) {
    const std::vector<std::int32_t> targets(kTokens.size(), 4);
    for (const HeadType type : kEvery) {
        const Decoder decoder = load(folder, type, one);
        const auto hidden = hidden_of(decoder, one), rows = logits_of(decoder, hidden, one);
        Scratch scratch;
        std::vector<double> loss(targets.size());
        losses(decoder, pick_kernels(), one, hidden.view(), targets, scratch, loss);
        for (std::int64_t r = 0; r < rows.rows; ++r)
            EXPECT_EQ(loss[static_cast<std::size_t>(r)],
                      log_sum_exp(pick_kernels(), rows.row(r), rows.cols) - rows(r, 4));
    }
}

INSTANTIATE_TEST_SUITE_P(Every, HeadOfModel,
                         testing::Values("llama", "llama31", "mistral", "qwen2", "qwen3"),
                         [](const auto& model) { return model.param; });

// Parts of 4096 rows against all at once.
TEST(MakeHead, PartsChangeNothing) {
    Threads one(1), two(2);
    const auto w = random_matrix(4096 + 77, 64);
    const auto of = [&](HeadType type) {
        return make_head(rows_of(w), type, WeightStorage::codes, two);
    };
    const Head stored = of(HeadType::stored), narrow = of(HeadType::bf16), q8 = of(HeadType::q8_0);
    EXPECT_TRUE(stored.weight.wide == pack(w.view(), Precision::f32, one).wide);
    EXPECT_TRUE(narrow.weight.narrow == pack(w.view(), Precision::bf16, one).narrow);
    EXPECT_TRUE(q8.weight.coded == pack_codes(quantize_q8(w.view(), one), one).coded);
    for (const auto& [type, name] :
         {std::pair{HeadType::mxfp4, "mxfp4a16"}, {HeadType::nvfp4, "nvfp4a16"}}) {
        const Scheme& scheme = find_scheme(name);
        const View<const float> whole = w.view();
        auto scales = choose_scales({&whole, 1}, {}, scheme,
                                    find_scale_rule(scheme.weight_rule, scheme.family), one);
        const QTensor q = quantize(whole, scheme, std::move(scales.front()));
        const Head head = of(type);
        EXPECT_TRUE(head.weight.coded == pack_codes(q, one).coded) << name;
        EXPECT_EQ(head.alpha, 1 / q.scales.divisor) << name;
        EXPECT_EQ(head.weight.n, w.rows);
    }
}

TEST(MakeHead, RefusesWhatATypeCannotHold) {
    Threads one(1);
    const auto narrow = random_matrix(40, 40);
    auto broken = random_matrix(40, 64);
    broken(33, 5) = std::nanf("");
    for (const HeadType type :
         {HeadType::q8_0, HeadType::q8_0a8, HeadType::mxfp4, HeadType::nvfp4}) {
        EXPECT_THROW(make_head(rows_of(narrow), type, WeightStorage::codes, one), Error);
        EXPECT_THROW(make_head(rows_of(broken), type, WeightStorage::codes, one), Error);
    }
}

// A file whose embedding, which is the head too, is in Q8_0.
struct StoredQ8 : testing::Test {
    TemporaryFolder folder;
    Threads one{1};
    std::string blocks;

    std::string put(std::uint16_t first_scale) {
        for (int row = 0; row < 8; ++row) {
            const std::uint16_t scale =
                row == 0 ? first_scale : static_cast<std::uint16_t>(0x2000 + 37 * row);
            blocks.append(reinterpret_cast<const char*>(&scale), 2);
            for (int i = 0; i < 32; ++i) blocks += static_cast<char>(61 * i + 17 * row - 128);
        }
        auto b = tiny_keys();
        tiny_tensors(b, "token_embd.weight");
        b.tensor("token_embd.weight", {32, 8}, 8, blocks);
        return folder.put("q8.gguf", b.build());
    }
};

TEST_F(StoredQ8, KeepsItsCodesAndItsNumbers) {
    const std::string file = put(0x2345);
    const Q8Tensor q = Checkpoint::open(file).read_q8_rows("model.embed_tokens.weight", 0, 8, 32);
    for (std::int64_t r = 0; r < 8; ++r) {
        EXPECT_EQ(0, std::memcmp(q.codes.row(r), blocks.data() + 34 * r + 2, 32));
        EXPECT_EQ(0, std::memcmp(q.scales.row(r), blocks.data() + 34 * r, 2));
    }
    const Decoder narrow = load(file, HeadType::bf16, one);
    const auto hidden = hidden_of(narrow, one);
    const auto expected = logits_of(narrow, hidden, one).values;
    for (const HeadType type : {HeadType::stored, HeadType::q8_0}) {
        const Decoder kept = load(file, type, one);
        EXPECT_TRUE(kept.head.coded == pack_codes(q, one).coded);
        EXPECT_EQ(hidden_of(kept, one).values, hidden.values);
        EXPECT_EQ(logits_of(kept, hidden, one).values, expected);
    }
}

TEST_F(StoredQ8, RefusesAScaleThatIsNotFinite) {
    const std::string file = put(0x7c00);
    try {
        load(file, HeadType::q8_0, one);
        FAIL();
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr("model.embed_tokens.weight"));
        EXPECT_THAT(error.what(), testing::HasSubstr("inf"));
    }
}

TEST(RandomHead, IsOfTheTypeThatWasAskedFor) {
    Threads one(1), two(2);
    RandomModelOptions options{&find_scheme("mxfp4a16")};
    const ModelConfig config = config_of(find_random_shape("llama-tiny"));
    const auto plain = random_decoder(config, options, one).head;
    EXPECT_EQ(plain.precision, Precision::bf16);
    options.head = HeadType::q8_0;
    const auto coded = random_decoder(config, options, one).head;
    EXPECT_EQ(coded.coding, Coding::q8);
    EXPECT_TRUE(random_decoder(config, options, two).head.coded == coded.coded);
    EXPECT_EQ(plain.narrow.size() * 17 / 16, coded.coded.size());
}

TEST(HeadTypes, AnUnknownNameListsTheKnownOnes) {
    for (const char* name : {"stored", "bf16", "q8_0", "q8_0a8", "mxfp4", "nvfp4"})
        EXPECT_NO_THROW(find_head_type(name)) << name;
    try {
        find_head_type("int3");
        FAIL();
    } catch (const Error& error) {
        EXPECT_THAT(error.what(),
                    testing::AllOf(testing::HasSubstr("int3"), testing::HasSubstr("q8_0")));
    }
}

}  // namespace
}  // namespace hb
