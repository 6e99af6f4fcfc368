// SPDX-License-Identifier: Apache-2.0
#include "engine/generate.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"

namespace hb {
namespace {

std::int32_t largest(std::span<const float> logits) {
    return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) -
                                     logits.begin());
}

// Token ids by falling logit, cut to the top k; ties by id.
std::vector<std::int32_t> candidates(std::span<const float> logits, std::int64_t top_k) {
    std::vector<std::int32_t> ids(logits.size());
    std::iota(ids.begin(), ids.end(), 0);
    const auto before = [&](std::int32_t a, std::int32_t b) {
        const float x = logits[static_cast<std::size_t>(a)],
                    y = logits[static_cast<std::size_t>(b)];
        return x != y ? x > y : a < b;
    };
    const auto size = static_cast<std::int64_t>(ids.size());
    const std::int64_t keep = top_k > 0 ? std::min(top_k, size) : size;
    std::partial_sort(ids.begin(), ids.begin() + keep, ids.end(), before);
    ids.resize(static_cast<std::size_t>(keep));
    return ids;
}

// The whole softmax needs no order: walk the cumulated weights by id.
std::int32_t sample_all(std::span<const float> logits, float temperature, Random& random) {
    const double top = logits[static_cast<std::size_t>(largest(logits))];
    std::vector<double> cumulated(logits.size());
    double sum = 0;
    for (std::size_t i = 0; i < logits.size(); ++i)
        cumulated[i] = sum += std::exp((logits[i] - top) / temperature);
    const double at = random.uniform() * sum;
    const auto found = std::upper_bound(cumulated.begin(), cumulated.end(), at);
    return static_cast<std::int32_t>(std::min<std::ptrdiff_t>(
        found - cumulated.begin(), static_cast<std::ptrdiff_t>(logits.size()) - 1));
}

}  // namespace

std::int32_t sample(std::span<const float> logits, const Sampling& s, Random& random) {
    if (s.temperature <= 0) return largest(logits);
    if (s.top_k <= 0 && s.top_p >= 1) return sample_all(logits, s.temperature, random);
    const auto ids = candidates(logits, s.top_k);
    const double top = logits[static_cast<std::size_t>(ids[0])];
    std::vector<double> weights(ids.size());
    double total = 0;
    for (std::size_t i = 0; i < ids.size(); ++i)
        total += weights[i] =
            std::exp((logits[static_cast<std::size_t>(ids[i])] - top) / s.temperature);
    double kept = 0;
    std::size_t count = 0;
    while (count < ids.size() && (count == 0 || kept < s.top_p * total)) kept += weights[count++];
    double at = random.uniform() * kept;
    for (std::size_t i = 0; i < count; ++i)
        if ((at -= weights[i]) < 0) return ids[i];
    return ids[count - 1];
}

void check_prompt(const ModelConfig& config, std::span<const std::int32_t> prompt) {
    const auto length = static_cast<std::int64_t>(prompt.size());
    if (length == 0)
        fail("the prompt is empty and the model has no begin token; give some text with -p");
    if (length >= config.context)
        fail("the prompt has {} tokens; the model's context holds {}. Shorten the prompt", length,
             config.context);
    for (const std::int32_t id : prompt)
        if (id < 0 || id >= config.vocab)
            fail("the prompt has the token id {}; the model's vocabulary ends at {}", id,
                 config.vocab - 1);
}

bool is_end_token(const ModelConfig& config, std::int32_t token) {
    return std::find(config.end_tokens.begin(), config.end_tokens.end(), token) !=
           config.end_tokens.end();
}

void generate(const Decoder& decoder, const Kernels& kernels, Threads& threads,
              std::span<const std::int32_t> prompt, std::int64_t count, const Sampling& sampling,
              const std::function<bool(std::int32_t)>& on_token) {
    check_prompt(decoder.config, prompt);
    const auto length = static_cast<std::int64_t>(prompt.size());
    count = std::min(count, decoder.config.context - length);
    Sequence sequence = make_sequence(decoder, length + count);
    Scratch scratch;
    Matrix<float> hidden, out(1, decoder.config.vocab);
    std::vector<std::int32_t> pending(prompt.begin(), prompt.end());
    Random random{sampling.seed, 0};
    for (std::int64_t i = 0; i < count; ++i) {
        const Request request{&sequence, pending};
        forward(decoder, kernels, threads, {&request, 1}, scratch, hidden);
        logits(decoder, kernels, threads, hidden.view().middle_rows(hidden.rows - 1, 1), scratch,
               out.view());
        const std::int32_t token = sample(out.values, sampling, random);
        if (is_end_token(decoder.config, token) || !on_token(token)) return;
        pending = {token};
    }
}

Matrix<std::int32_t> generate_rows(const Decoder& decoder, const Kernels& kernels, Threads& threads,
                                   std::int64_t sequences, std::int64_t length, std::uint64_t seed,
                                   const std::function<void(std::int64_t)>& on_step) {
    const ModelConfig& config = decoder.config;
    Matrix<std::int32_t> rows(sequences, length);
    std::vector<Sequence> past;
    std::vector<Random> random;
    const Sampling sampling{1, 1, 0, seed};
    for (std::int64_t s = 0; s < sequences; ++s) {
        past.push_back(make_sequence(decoder, length));
        random.push_back({mix64(seed) + static_cast<std::uint64_t>(s), 0});
        const auto any =
            static_cast<std::int32_t>(random.back().uniform() * static_cast<double>(config.vocab));
        rows(s, 0) = config.bos_token >= 0 ? static_cast<std::int32_t>(config.bos_token) : any;
    }
    Scratch scratch;
    Matrix<float> hidden, out(sequences, config.vocab);
    for (std::int64_t t = 0; t + 1 < length; ++t) {
        std::vector<Request> requests;
        for (std::int64_t s = 0; s < sequences; ++s)
            requests.push_back({&past[static_cast<std::size_t>(s)], {&rows(s, t), 1}});
        forward(decoder, kernels, threads, requests, scratch, hidden);
        logits(decoder, kernels, threads, hidden.view(), scratch, out.view());
        threads.loop(sequences, [&](std::int64_t s, int) {
            rows(s, t + 1) = sample({out.row(s), static_cast<std::size_t>(config.vocab)}, sampling,
                                    random[static_cast<std::size_t>(s)]);
        });
        if (on_step) on_step(t + 1);
    }
    return rows;
}

}  // namespace hb
