// SPDX-License-Identifier: Apache-2.0
// How heavy the tails of a model's activations are at every site, as they are and rotated:
//     kurtosis = mean x^4 / (mean x^2)^2      3 for a normal distribution, 3 of ideally rotated x
//     peak     = max |x| / sqrt(mean x^2)     what a scale for the whole tensor must cover
// of the site's input in bf16, before it is quantized, over all tokens and channels.
#pragma once

#include "core/json.hpp"
#include "core/matrix.hpp"
#include "engine/decoder.hpp"

namespace hb {

// [{"layer", "site", "kurtosis", "peak", "rotation", "rotated_kurtosis", "rotated_peak"}], layer by
// layer. rotation: hadamard, of the largest block up to 128 that divides. tokens: (sequences,
// length), few; each sequence goes through the blocks alone.
Json activation_outliers(Decoder decoder, const Embedding& embedding, const Kernels& kernels,
                         Threads& threads, View<const std::int32_t> tokens);

}  // namespace hb
