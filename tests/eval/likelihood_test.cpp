// SPDX-License-Identifier: Apache-2.0
// Likelihoods that share passes and beginnings are, bit for bit, those of one window each; how a
// context and its continuation are split.
#include "eval/likelihood.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/random.hpp"

namespace hb {
namespace {

std::string golden(const std::string& name) {
    return std::string(HALFBYTE_TESTS_DIR) + "/" + name;
}

class LogLikelihoods : public testing::Test {
protected:
    Threads threads{2};
    const Kernels& kernels = pick_kernels();
    Decoder decoder = load_decoder(Checkpoint::open(golden("engine/golden/llama")), threads);
    std::vector<ItemContinuations> items;

    // Items that share nothing, a part, all but the last token; of one continuation and several.
    LogLikelihoods() {
        hb::Random random{3, 0};
        const auto draw = [&](std::int64_t n) {
            std::vector<std::int32_t> tokens;
            for (std::int64_t i = 0; i < n; ++i)
                tokens.push_back(static_cast<std::int32_t>(random.bits() % 64));
            return tokens;
        };
        for (std::int64_t i = 0; i < 12; ++i) {
            const auto begin = draw(i % 4 == 0 ? 0 : 7 * i);
            items.emplace_back();
            for (std::int64_t a = 0; a <= i % 5; ++a) {
                Continuation c{begin, 1 + (i + a) % 3};
                const auto own = draw(i % 3 == 0 ? 1 : 4 + a);
                c.tokens.insert(c.tokens.end(), own.begin(), own.end());
                while (c.begin() < 1) c.tokens.push_back(static_cast<std::int32_t>(a));
                items.back().push_back(c);
            }
        }
    }

    Likelihood alone(const Continuation& c) {
        Scratch scratch;
        Matrix<float> hidden;
        forward_window(decoder, kernels, threads, std::span(c.tokens).first(c.tokens.size() - 1),
                       scratch, hidden);
        Matrix<float> out(hidden.rows, decoder.config.vocab);
        logits(decoder, kernels, threads, hidden.view(), scratch, out.view());
        Likelihood sum{0, true};
        for (std::int64_t i = c.begin(); i < c.begin() + c.scored; ++i) {
            const float* row = out.row(i - 1);
            const std::int32_t token = c.tokens[static_cast<std::size_t>(i)];
            sum.log += row[token] - log_sum_exp(kernels, row, out.cols);
            sum.greedy = sum.greedy && std::max_element(row, row + out.cols) - row == token;
        }
        return sum;
    }
};

TEST_F(LogLikelihoods, AreThoseOfOneWindowEachForAnyBatchAndThreads) {
    std::vector<Likelihood> expected;
    for (const auto& item : items)
        for (const Continuation& c : item) expected.push_back(alone(c));
    for (const int count : {1, 3})
        for (const std::int64_t positions : {1, 300, 100000}) {
            Threads some(count);
            std::int64_t done = 0, all = 0;
            const auto found = log_likelihoods(
                decoder, kernels, some, items,
                {positions, [&](std::int64_t n, std::int64_t of) { done = n, all = of; }});
            ASSERT_EQ(found.size(), expected.size());
            EXPECT_EQ(done, all);
            for (std::size_t i = 0; i < found.size(); ++i) {
                EXPECT_EQ(found[i].log, expected[i].log) << i << " " << positions;
                EXPECT_EQ(found[i].greedy, expected[i].greedy) << i;
            }
        }
}

TEST_F(LogLikelihoods, SayWhichContinuationIsGreedy) {
    const Continuation c = items[5][0];
    std::vector<ItemContinuations> all(1);
    for (std::int32_t token = 0; token < 64; ++token) {
        all[0].push_back({c.tokens, 1});
        all[0].back().tokens.back() = token;
    }
    const auto found = log_likelihoods(decoder, kernels, threads, all);
    const auto best = std::max_element(found.begin(), found.end(),
                                       [](auto& a, auto& b) { return a.log < b.log; });
    double total = 0;
    for (const Likelihood& one : found) {
        EXPECT_EQ(one.greedy, &one == &*best);
        total += std::exp(one.log);
    }
    EXPECT_NEAR(total, 1, 1e-6);
}

class Split : public testing::Test {
protected:
    Tokenizer tokenizer{read_file(golden("eval/golden/model/tokenizer.json")), "tokenizer.json"};
    ModelConfig config = parse_config(
        Json::parse(read_file(golden("eval/golden/model/config.json"))), "config.json");

    Continuation split(const std::string& context, const std::string& continuation) const {
        return encode_continuation(tokenizer, config, context, continuation, "here");
    }
    std::string text(const Continuation& c) const {
        return tokenizer.decode({c.tokens.begin() + c.begin(), c.tokens.end()}, false);
    }
};

TEST_F(Split, WhiteSpaceBelongsToTheContinuation) {
    EXPECT_EQ(text(split("The mill", " runs")), " runs");
    EXPECT_EQ(text(split("The mill ", "runs")), " runs");
    EXPECT_EQ(split("The mill \n", " runs").tokens, split("The mill", " \n runs").tokens);
    EXPECT_EQ(text(split("The mill \n", " runs")), " \n runs");
}

TEST_F(Split, TheBeginTokenStandsOnce) {
    EXPECT_EQ(split("The mill", " runs").tokens[0], 0);
    EXPECT_EQ(split("<s>The mill", " runs").tokens, split("The mill", " runs").tokens);
    const Continuation empty = split("", " runs");
    EXPECT_EQ(empty.tokens[0], 0);
    EXPECT_EQ(empty.begin(), 1);
    EXPECT_EQ(split("  ", "runs").tokens, split("", "  runs").tokens);
}

TEST_F(Split, WhatIsTooLongLosesItsBeginning) {
    std::string words;
    for (int i = 0; i < 60; ++i) words += "mill river ";
    const Continuation c = split(words, "runs");
    EXPECT_EQ(c.tokens.size(), static_cast<std::size_t>(config.context) + 1);
    EXPECT_EQ(text(c), " runs");
    EXPECT_THROW(split("The", " " + words), Error);
    EXPECT_THROW(split("The mill", ""), Error);
}

}  // namespace
}  // namespace hb
