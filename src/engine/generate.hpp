// SPDX-License-Identifier: Apache-2.0
// Text from a model: a token is drawn from softmax(logits / temperature) cut to the top k and the
// top p; temperature 0 takes the largest logit (the lowest id on a tie). The n-th draw of a
// sequence depends on the seed, the sequence's number and n alone.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/random.hpp"
#include "engine/decoder.hpp"

namespace hb {

struct Sampling {
    float temperature = 0;
    float top_p = 1;
    std::int64_t top_k = 0;  // 0: all
    std::uint64_t seed = 0;
};

std::int32_t sample(std::span<const float> logits, const Sampling& sampling, Random& random);

// Throws Error when a prompt is empty, leaves no room in the context or holds an id outside the
// vocabulary.
void check_prompt(const ModelConfig& config, std::span<const std::int32_t> prompt);
bool is_end_token(const ModelConfig& config, std::int32_t token);

// Feeds the prompt, then draws up to `count` tokens; on_token returns false to stop. Stops at the
// model's end tokens and at the context limit. Throws Error as check_prompt() does.
void generate(const Decoder& decoder, const Kernels& kernels, Threads& threads,
              std::span<const std::int32_t> prompt, std::int64_t count, const Sampling& sampling,
              const std::function<bool(std::int32_t)>& on_token);

// `sequences` rows of `length` tokens sampled together from an empty context (first token: the
// model's BOS, or one drawn uniformly when it has none); end tokens do not stop a row. For
// calibration without data.
Matrix<std::int32_t> generate_rows(
    const Decoder& decoder, const Kernels& kernels, Threads& threads, std::int64_t sequences,
    std::int64_t length, std::uint64_t seed,
    const std::function<void(std::int64_t)>& on_step);  // (sequences, length)

}  // namespace hb
