// SPDX-License-Identifier: Apache-2.0
// A decoder of real shapes and random weights, without a file: time and memory do not ask what the
// numbers are. Every linear is quantized, codes uniform and scales such that a row of weights has a
// length near 1, so that activations stay of the size of a real model's; embedding and head are
// drawn in bf16. The same seed gives the same bits on any number of threads.
#pragma once

#include <span>
#include <string_view>

#include "engine/decoder.hpp"

namespace hb {

struct RandomShape {
    std::string_view name, help;
    std::int64_t hidden, intermediate, layers, heads, kv_heads, head_dim, vocab;
    bool tied;  // the head is the embedding
};

std::span<const RandomShape> all_random_shapes();
const RandomShape& find_random_shape(std::string_view name);  // throws Error naming the known ones
ModelConfig config_of(const RandomShape& shape);

struct RandomModelOptions {
    const Scheme* scheme = nullptr;
    std::string_view transform = "none";         // of every site, as parse_transform reads it
    const ScaleRule* activation_rule = nullptr;  // null when activations are not quantized
    std::uint64_t seed = 0;
    HeadType head = HeadType::stored;     // bf16
    const Scheme* activations = nullptr;  // of a weight-only scheme, as in LoadOptions
};

// Throws Error when the scheme's groups do not divide a linear's inputs.
Decoder random_decoder(const ModelConfig& config, const RandomModelOptions& options,
                       Threads& threads);

// One linear of such weights, and what its input goes through.
struct RandomLinear {
    Site site;
    Linear linear;
};
RandomLinear random_linear(LinearShape shape, const RandomModelOptions& options, Threads& threads);

}  // namespace hb
