// SPDX-License-Identifier: Apache-2.0
// log p(continuation | context) = sum over the continuation's tokens of logit[token] - lse(logits),
// logits in fp32, sums in fp64 in the order of the tokens. Continuations of one item begin alike:
// that part is computed once and its keys and values copied. Many items go through the model
// together, in two passes: what is shared, and the rest. A row's bits depend on its own tokens
// alone, so neither threads nor the size of a batch change a result.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/decoder.hpp"
#include "eval/continuation.hpp"

namespace hb {

struct Likelihood {
    double log = 0;
    bool greedy = false;  // every token is the largest logit's, the lowest id on a tie
};

struct LikelihoodOptions {
    std::int64_t positions = 2048;  // of keys and values in memory; four times that for one item
    std::function<void(std::int64_t done, std::int64_t total)> progress;
};

using ItemContinuations = std::vector<Continuation>;

// One for each continuation, item after item.
std::vector<Likelihood> log_likelihoods(const Decoder& decoder, const Kernels& kernels,
                                        Threads& threads, std::span<const ItemContinuations> items,
                                        const LikelihoodOptions& options = {});

}  // namespace hb
