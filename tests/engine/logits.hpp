// SPDX-License-Identifier: Apache-2.0
// Logits of one window of a whole model, and how far two sets of them are apart.
#pragma once

#include <cmath>
#include <span>

#include "engine/decoder.hpp"

namespace hb {

// (ids, vocab)
inline Matrix<float> window_logits(const Decoder& decoder, const Kernels& kernels, Threads& threads,
                                   std::span<const std::int32_t> ids) {
    Scratch scratch;
    Matrix<float> hidden, out(static_cast<std::int64_t>(ids.size()), decoder.config.vocab);
    forward_window(decoder, kernels, threads, ids, scratch, hidden);
    logits(decoder, kernels, threads, hidden.view(), scratch, out.view());
    return out;
}

inline Matrix<float> window_logits(const Checkpoint& checkpoint,
                                   std::span<const std::int32_t> ids) {
    Threads threads(2);
    return window_logits(load_decoder(checkpoint, threads), pick_kernels(), threads, ids);
}

// |wanted - got| / |wanted|
inline double relative_difference(std::span<const float> wanted, std::span<const float> got) {
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        difference += std::pow(double(wanted[i]) - got[i], 2);
        size += std::pow(double(wanted[i]), 2);
    }
    return std::sqrt(difference / size);
}

}  // namespace hb
