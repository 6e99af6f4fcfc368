// SPDX-License-Identifier: Apache-2.0
#include "eval/evaluate.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace hb {
namespace {

constexpr std::int64_t kHeadRows = 192;  // rows of logits in memory at a time

struct WindowSums {
    double loss = 0, reference_loss = 0, kl = 0;
    std::int64_t agreeing = 0;
};

struct Side {
    const Decoder* decoder;
    Matrix<float> hidden, logits;
};

std::int64_t largest(const float* x, std::int64_t n) {
    return std::max_element(x, x + n) - x;
}

void forward_side(Side& side, const Kernels& kernels, Threads& threads,
                  std::span<const std::int32_t> tokens, Scratch& scratch) {
    forward_window(*side.decoder, kernels, threads, tokens, scratch, side.hidden);
}

void logits_of(Side& side, const Kernels& kernels, Threads& threads, std::int64_t first,
               std::int64_t count, Scratch& scratch) {
    side.logits.rows = count;
    side.logits.cols = side.decoder->config.vocab;
    side.logits.values.resize(static_cast<std::size_t>(count * side.logits.cols));
    logits(*side.decoder, kernels, threads, side.hidden.view().middle_rows(first, count), scratch,
           side.logits.view());
}

// Row sums are kept apart and added in order, so that the thread that computed them does not
// matter.
WindowSums run_alone(Side& model, const Kernels& kernels, Threads& threads,
                     std::span<const std::int32_t> tokens, Scratch& scratch) {
    forward_side(model, kernels, threads, tokens, scratch);
    const auto targets = tokens.subspan(1);
    std::vector<double> loss(targets.size());
    losses(*model.decoder, kernels, threads,
           model.hidden.view().middle_rows(0, static_cast<std::int64_t>(targets.size())), targets,
           scratch, loss);
    WindowSums total;
    for (const double row : loss) total.loss += row;
    return total;
}

WindowSums run_beside(Side& model, Side& reference, const Kernels& kernels, Threads& threads,
                      std::span<const std::int32_t> tokens, Scratch& scratch,
                      Matrix<float>* reference_state) {
    const auto rows = static_cast<std::int64_t>(tokens.size()), vocab = model.decoder->config.vocab;
    std::vector<WindowSums> sums(tokens.size());
    forward_side(model, kernels, threads, tokens, scratch);
    if (reference_state && !reference_state->empty()) {
        reference.hidden = *reference_state;
    } else {
        forward_side(reference, kernels, threads, tokens, scratch);
        if (reference_state) *reference_state = reference.hidden;
    }
    for (std::int64_t first = 0; first < rows; first += kHeadRows) {
        const std::int64_t count = std::min(kHeadRows, rows - first);
        logits_of(model, kernels, threads, first, count, scratch);
        logits_of(reference, kernels, threads, first, count, scratch);
        threads.loop(count, [&](std::int64_t r, int) {
            const auto at = static_cast<std::size_t>(first + r);
            const float* q = model.logits.row(r);
            const double lse = log_sum_exp(kernels, q, vocab);
            const bool has_target = at + 1 < tokens.size();
            if (has_target) sums[at].loss = lse - q[tokens[at + 1]];
            const float* p = reference.logits.row(r);
            const double lse_p = log_sum_exp(kernels, p, vocab);
            if (has_target) sums[at].reference_loss = lse_p - p[tokens[at + 1]];
            sums[at].kl = kl_divergence(kernels, p, lse_p, q, lse, vocab);
            sums[at].agreeing = largest(p, vocab) == largest(q, vocab);
        });
    }
    WindowSums total;
    for (const WindowSums& row : sums) {
        total.loss += row.loss;
        total.reference_loss += row.reference_loss;
        total.kl += row.kl;
        total.agreeing += row.agreeing;
    }
    return total;
}

}  // namespace

EvalResult evaluate(const Decoder& model, const Decoder* reference, const Kernels& kernels,
                    Threads& threads, View<const std::int32_t> windows,
                    const EvalOptions& options) {
    const auto start = std::chrono::steady_clock::now();
    Side side{&model, {}, {}}, other{reference, {}, {}};
    Scratch scratch;
    EvalResult result;
    std::vector<Matrix<float>>* states = reference ? options.reference_states : nullptr;
    if (states) states->resize(static_cast<std::size_t>(windows.rows));
    double loss = 0, reference_loss = 0, kl = 0;
    std::int64_t targets = 0, reference_targets = 0, agreeing = 0;
    for (std::int64_t w = 0; w < windows.rows; ++w) {
        const bool compare = reference && w % options.kl_stride == 0;
        const std::span<const std::int32_t> tokens(windows.row(w),
                                                   static_cast<std::size_t>(windows.cols));
        Matrix<float>* state = states ? &(*states)[static_cast<std::size_t>(w)] : nullptr;
        const auto sums = compare
                              ? run_beside(side, other, kernels, threads, tokens, scratch, state)
                              : run_alone(side, kernels, threads, tokens, scratch);
        loss += sums.loss;
        targets += windows.cols - 1;
        if (compare) {
            reference_loss += sums.reference_loss;
            reference_targets += windows.cols - 1;
            kl += sums.kl;
            agreeing += sums.agreeing;
            result.kl_tokens += windows.cols;
        }
        if (options.progress) options.progress(w + 1, windows.rows);
    }
    result.windows = windows.rows;
    result.tokens = windows.rows * windows.cols;
    result.perplexity = std::exp(loss / static_cast<double>(std::max<std::int64_t>(1, targets)));
    if (result.kl_tokens > 0) {
        result.kl = kl / static_cast<double>(result.kl_tokens);
        result.top1 = static_cast<double>(agreeing) / static_cast<double>(result.kl_tokens);
        result.reference_perplexity = std::exp(
            reference_loss / static_cast<double>(std::max<std::int64_t>(1, reference_targets)));
    }
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

}  // namespace hb
