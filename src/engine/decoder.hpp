// SPDX-License-Identifier: Apache-2.0
// A whole model in memory: blocks, embedding, head. Tokens in, logits out.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/block.hpp"
#include "engine/storage.hpp"
#include "io/checkpoint.hpp"
#include "io/quantization_config.hpp"

namespace hb {

// Embedding rows as stored (bf16 where that is exact), looked up token by token.
struct Embedding {
    std::int64_t rows = 0, cols = 0;
    AlignedVector<std::uint16_t> narrow;  // (vocab, hidden) when every value is a bf16
    Matrix<float> wide;                   // else
    void look_up(std::span<const std::int32_t> tokens, View<float> h) const;
};

struct Decoder {
    ModelConfig config;
    Precision precision = Precision::f32;  // bf16 for a quantized model
    Embedding embedding;  // empty where the head is tied to it, which holds its rows
    std::vector<Block> blocks;
    std::vector<float> final_norm;
    PackedMatrix head;  // (vocab, hidden)
    float head_alpha = 1;
    KvType kv = KvType::same;
};

struct LoadOptions {
    // Attention and dense inputs of a model that is not quantized; a quantized one always uses
    // bf16.
    Precision baseline_precision = Precision::f32;
    WeightStorage storage = WeightStorage::codes;
    HeadType head = HeadType::stored;
    KvType kv = KvType::same;
    const Scheme* activations = nullptr;  // of weight-only linears, whose inputs are bf16 else
};

// Throws Error naming the tensor that is missing or wrong.
Decoder load_decoder(const Checkpoint& checkpoint, Threads& threads,
                     const LoadOptions& options = {});

// Parts of loading that calibration uses block by block.
Embedding load_embedding(const Checkpoint& checkpoint, const ModelConfig& config);
// Norms and biases; no linears.
Block load_block_frame(const Checkpoint& checkpoint, const ModelConfig& config, std::int64_t layer);
Linear load_dense(const Checkpoint& checkpoint, const ModelConfig& config, std::int64_t layer,
                  std::size_t linear, Threads& threads);
// A linear from quantized codes. input: null when the layer's input is not quantized.
Linear make_linear(const QTensor& weight, std::vector<float> bias, const ActivationQuantizer* input,
                   WeightStorage storage, Threads& threads);
// The linears of a block and its sites: quantized ones from `quantized`, the others from `dense`.
// activations: as in LoadOptions.
void load_linears(const Checkpoint& dense, const Checkpoint& quantized,
                  const QuantizationConfig& quantization, const ModelConfig& config,
                  std::int64_t layer, WeightStorage storage, Block& block, Threads& threads,
                  const Scheme* activations = nullptr);
// How the inputs of a weight-only linear, `in` of them, are rounded to `activations`. Throws Error
// when `linear` quantizes its inputs itself, or their groups do not divide; `name`: what it is.
ActivationQuantizer round_inputs(const Scheme& activations, const Scheme& linear, std::int64_t in,
                                 const std::string& name);
std::vector<float> load_bias(const Checkpoint& checkpoint, const std::string& module,
                             std::int64_t out);
// Packs in bf16 when every value is a bf16, else in fp32.
PackedMatrix pack_exact(View<const float> w, Threads& threads);

// Of one layer, for at least `capacity` positions.
KvCache make_cache(const ModelConfig& config, Precision precision, KvType type,
                   std::int64_t capacity);
// The past of one sequence: one cache a layer.
struct Sequence {
    std::vector<KvCache> layers;
    std::int64_t length = 0;
};
Sequence make_sequence(const Decoder& decoder, std::int64_t capacity);

struct Request {
    Sequence* sequence;
    std::span<const std::int32_t> tokens;
};

// Appends each request's tokens to its sequence. Gives the final hidden states, normed, of every
// row (rows, hidden): requests one after another. Batching changes no bits.
void forward(const Decoder& decoder, const Kernels& kernels, Threads& threads,
             std::span<const Request> requests, Scratch& scratch, Matrix<float>& hidden);
// The same for one window from an empty context, without keeping a cache for each layer.
void forward_window(const Decoder& decoder, const Kernels& kernels, Threads& threads,
                    std::span<const std::int32_t> tokens, Scratch& scratch, Matrix<float>& hidden);
// Logits of hidden rows, (rows, vocab)
void logits(const Decoder& decoder, const Kernels& kernels, Threads& threads,
            View<const float> hidden, Scratch& scratch, View<float> out);

// Cross-entropy of hidden rows for their targets, (rows) each
void losses(const Decoder& decoder, const Kernels& kernels, Threads& threads,
            View<const float> hidden, std::span<const std::int32_t> targets, Scratch& scratch,
            std::span<double> out);

}  // namespace hb
