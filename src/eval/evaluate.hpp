// SPDX-License-Identifier: Apache-2.0
// What quantization cost, on token windows: perplexity = exp(mean cross-entropy of the window's
// targets, context starting empty at each window), KL(reference || model) and top-1 agreement on
// every stride-th window. Logits, softmax in fp32; sums in fp64.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/decoder.hpp"

namespace hb {

struct EvalOptions {
    std::int64_t kl_stride = 8;
    std::function<void(std::int64_t done, std::int64_t total)> progress;
    // The reference's hidden states, (length, hidden) for each window: taken from here where they
    // are, kept here where not, so that a second model measured beside it costs half.
    std::vector<Matrix<float>>* reference_states = nullptr;
};

struct EvalResult {
    double perplexity = 0, kl = 0, top1 = 0;  // kl, top1: only with a reference
    double reference_perplexity = 0;          // on the windows used for KL
    std::int64_t tokens = 0, kl_tokens = 0, windows = 0;
    double seconds = 0;
};

// windows: (count, length) token ids; the last may be cut with `last_length`.
EvalResult evaluate(const Decoder& model, const Decoder* reference, const Kernels& kernels,
                    Threads& threads, View<const std::int32_t> windows, const EvalOptions& options);

}  // namespace hb
