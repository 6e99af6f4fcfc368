// SPDX-License-Identifier: Apache-2.0
// What prompt processing and decoding take, and what they are made of: a multiply-add counts as two
// operations, in the linears, the head and attention; the weights that a pass reads are counted
// once, as they lie in memory.
#pragma once

#include "engine/decoder.hpp"

namespace hb {

// Bytes of a weight in memory, and the type of its elements.
std::int64_t stored_bytes(const PackedMatrix& weight);
std::string_view stored_type(const PackedMatrix& weight);  // "bf16"
std::string_view embedding_type(const Decoder& decoder);

std::int64_t linear_bytes(const Decoder& decoder);  // of all blocks
// What a step of decoding reads: all linears and the head.
std::int64_t weight_bytes(const Decoder& decoder);

// Bytes of keys and values of a position, in all layers, and the type of their elements.
std::int64_t kv_bytes(const ModelConfig& config, Precision precision, KvType type);
std::string_view kv_type(const Decoder& decoder);

// A prompt of `tokens` into an empty cache, then logits of its last row.
double prompt_flops(const ModelConfig& config, std::int64_t tokens);
// One token and its logits behind each other, from an empty cache.
double decode_flops(const ModelConfig& config, std::int64_t tokens, std::int64_t sequences);

// What one of the two takes; tokens are drawn uniformly and the same for each call.
struct TimedRun {
    const Decoder& decoder;
    const Kernels& kernels;
    Threads& threads;
};
double time_prompt(const TimedRun& run, std::int64_t tokens, Scratch& scratch);
double time_decode(const TimedRun& run, std::int64_t tokens, std::int64_t sequences,
                   Scratch& scratch);

}  // namespace hb
