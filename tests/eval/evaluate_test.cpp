// SPDX-License-Identifier: Apache-2.0
// Laws of the metrics on a tiny model: nothing is lost against oneself, the sums are those of the
// plain formulas in fp64, and threads change no bit.
#include "eval/evaluate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/random.hpp"

namespace hb {
namespace {

std::string golden(const char* name) {
    return std::string(HALFBYTE_TESTS_DIR) + "/engine/golden/" + name;
}

class Evaluate : public testing::Test {
protected:
    Threads threads{2};
    const Kernels& kernels = pick_kernels();
    Decoder llama = load_decoder(Checkpoint::open(golden("llama")), threads);
    Decoder qwen = load_decoder(Checkpoint::open(golden("qwen3")), threads);
    Matrix<std::int32_t> windows{5, 20};

    Evaluate() {
        hb::Random random{1, 0};
        for (auto& token : windows.values) token = static_cast<std::int32_t>(random.bits() % 64);
    }
    // log softmax of every row of a window, (rows, vocab), in fp64
    std::vector<std::vector<double>> log_probabilities(const Decoder& decoder,
                                                       std::int64_t window) {
        Scratch scratch;
        Matrix<float> hidden, out(20, 64);
        forward_window(decoder, kernels, threads, {windows.row(window), 20}, scratch, hidden);
        logits(decoder, kernels, threads, hidden.view(), scratch, out.view());
        std::vector<std::vector<double>> rows;
        for (std::int64_t r = 0; r < 20; ++r) {
            double sum = 0;
            for (std::int64_t v = 0; v < 64; ++v) sum += std::exp(double(out(r, v)));
            rows.emplace_back();
            for (std::int64_t v = 0; v < 64; ++v) rows.back().push_back(out(r, v) - std::log(sum));
        }
        return rows;
    }
};

TEST_F(Evaluate, AModelLosesNothingAgainstItself) {
    const EvalResult r = evaluate(llama, &llama, kernels, threads, windows.view(), {1, {}});
    EXPECT_NEAR(r.kl, 0, 1e-9);
    EXPECT_EQ(r.top1, 1);
    EXPECT_EQ(r.perplexity, r.reference_perplexity);
    EXPECT_EQ(r.tokens, 100);
    EXPECT_EQ(r.kl_tokens, 100);
}

TEST_F(Evaluate, SumsAreThoseOfTheFormulas) {
    double loss = 0, kl = 0, same = 0;
    for (std::int64_t w = 0; w < 5; ++w) {
        const auto q = log_probabilities(qwen, w), p = log_probabilities(llama, w);
        for (std::size_t r = 0; r < 20; ++r) {
            if (r + 1 < 20)
                loss -=
                    q[r][static_cast<std::size_t>(windows(w, static_cast<std::int64_t>(r) + 1))];
            if (w % 2 != 0) continue;
            for (std::size_t v = 0; v < 64; ++v) kl += std::exp(p[r][v]) * (p[r][v] - q[r][v]);
            same += std::max_element(p[r].begin(), p[r].end()) - p[r].begin() ==
                    std::max_element(q[r].begin(), q[r].end()) - q[r].begin();
        }
    }
    const EvalResult result = evaluate(qwen, &llama, kernels, threads, windows.view(), {2, {}});
    EXPECT_NEAR(result.perplexity, std::exp(loss / (5 * 19)), 1e-4 * result.perplexity);
    EXPECT_NEAR(result.kl, kl / 60, 1e-4 * result.kl);
    EXPECT_EQ(result.top1, same / 60);
    EXPECT_EQ(result.kl_tokens, 60);
}

TEST_F(Evaluate, StatesOfTheReferenceThatAreKeptChangeNoBit) {
    std::vector<Matrix<float>> states;
    const EvalOptions kept{2, {}, &states};
    const EvalResult plain = evaluate(qwen, &llama, kernels, threads, windows.view(), {2, {}});
    for (int time = 0; time < 2; ++time) {
        const EvalResult r = evaluate(qwen, &llama, kernels, threads, windows.view(), kept);
        EXPECT_EQ(r.kl, plain.kl);
        EXPECT_EQ(r.top1, plain.top1);
        EXPECT_EQ(r.reference_perplexity, plain.reference_perplexity);
    }
    ASSERT_EQ(states.size(), 5u);
    EXPECT_TRUE(states[1].empty());  // a window that is not compared
    states[2].values[0] += 100;      // they are what is compared with
    EXPECT_NE(evaluate(qwen, &llama, kernels, threads, windows.view(), kept).kl, plain.kl);
}

TEST_F(Evaluate, ThreadsChangeNoBit) {
    Threads alone(1);
    const EvalResult a = evaluate(qwen, &llama, kernels, threads, windows.view(), {1, {}});
    const EvalResult b = evaluate(qwen, &llama, kernels, alone, windows.view(), {1, {}});
    EXPECT_EQ(a.perplexity, b.perplexity);
    EXPECT_EQ(a.kl, b.kl);
}

}  // namespace
}  // namespace hb
