// SPDX-License-Identifier: Apache-2.0
#include "engine/decoder.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/float_bits.hpp"

namespace hb {
namespace {

std::int64_t round_up(std::int64_t n, std::int64_t unit) {
    return (n + unit - 1) / unit * unit;
}

void final_norm(const Decoder& decoder, const Kernels& kernels, Threads& threads,
                Matrix<float>& h) {
    rms_norm(kernels, threads, h.view(), decoder.final_norm.data(), decoder.config.norm_eps,
             h.view());
}

void embed(const Decoder& decoder, const Kernels& kernels, std::span<const std::int32_t> tokens,
           View<float> h) {
    for (const auto token : tokens)
        if (token < 0 || token >= decoder.config.vocab)
            fail("token id {} is outside the vocabulary of {}", token, decoder.config.vocab);
    if (decoder.embedding.rows > 0)
        decoder.embedding.look_up(tokens, h);
    else
        unpack_rows(kernels, decoder.head, tokens, decoder.head_alpha, h);
}

// The head's input, in MXINT8 for one whose blocks are scaled late.
void prepare_head(const Decoder& decoder, const Kernels& kernels, Threads& threads,
                  View<const float> hidden, Scratch& scratch) {
    std::optional<ActivationQuantizer> eights;
    if (decoder.head.late) {
        const Scheme& scheme = *find_activations("mxint8");
        eights = {&scheme, &find_scale_rule(scheme.activation_rule, scheme.family), 1};
    }
    prepare_operand(kernels, threads, hidden, Transform{}, eights ? &*eights : nullptr,
                    eights ? Precision::bf16 : decoder.precision, scratch.plain);
}

}  // namespace

void Embedding::look_up(std::span<const std::int32_t> tokens, View<float> h) const {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        float* out = h.row(static_cast<std::int64_t>(i));
        if (narrow.empty()) {
            std::copy_n(wide.row(tokens[i]), cols, out);
            continue;
        }
        const std::uint16_t* row = narrow.data() + tokens[i] * cols;
        for (std::int64_t c = 0; c < cols; ++c) out[c] = bf16_to_float(row[c]);
    }
}

KvCache make_cache(const ModelConfig& config, Precision precision, KvType type,
                   std::int64_t capacity) {
    return KvCache(config.kv_heads, config.head_dim, round_up(capacity, 32),
                   type == KvType::bf16 ? Precision::bf16 : precision, type == KvType::int8);
}

Sequence make_sequence(const Decoder& decoder, std::int64_t capacity) {
    Sequence sequence;
    for (std::int64_t i = 0; i < decoder.config.layers; ++i)
        sequence.layers.push_back(
            make_cache(decoder.config, decoder.precision, decoder.kv, capacity));
    return sequence;
}

void forward(const Decoder& decoder, const Kernels& kernels, Threads& threads,
             std::span<const Request> requests, Scratch& scratch, Matrix<float>& hidden) {
    const Runtime run = make_runtime(decoder.config, kernels, threads, decoder.precision);
    std::vector<Span> spans;
    std::int64_t rows = 0;
    for (const Request& request : requests) {
        const auto count = static_cast<std::int64_t>(request.tokens.size());
        spans.push_back({rows, count, request.sequence->length, nullptr});
        rows += count;
    }
    hidden = Matrix<float>(rows, decoder.config.hidden);
    for (std::size_t i = 0; i < requests.size(); ++i)
        embed(decoder, kernels, requests[i].tokens,
              hidden.view().middle_rows(spans[i].first_row, spans[i].rows));
    Pass pass = make_pass(run, std::move(spans));
    for (std::size_t layer = 0; layer < decoder.blocks.size(); ++layer) {
        for (std::size_t i = 0; i < requests.size(); ++i)
            pass.spans[i].cache = &requests[i].sequence->layers[layer];
        run_block(run, decoder.blocks[layer], pass, scratch, hidden.view());
    }
    for (std::size_t i = 0; i < requests.size(); ++i)
        requests[i].sequence->length += pass.spans[i].rows;
    final_norm(decoder, kernels, threads, hidden);
}

void forward_window(const Decoder& decoder, const Kernels& kernels, Threads& threads,
                    std::span<const std::int32_t> tokens, Scratch& scratch, Matrix<float>& hidden) {
    const ModelConfig& c = decoder.config;
    const Runtime run = make_runtime(c, kernels, threads, decoder.precision);
    const auto rows = static_cast<std::int64_t>(tokens.size());
    hidden.rows = rows;
    hidden.cols = c.hidden;
    hidden.values.resize(static_cast<std::size_t>(rows * c.hidden));
    embed(decoder, kernels, tokens, hidden.view());
    KvCache cache = make_cache(c, decoder.precision, decoder.kv, rows);
    const Pass pass = make_pass(run, {{0, rows, 0, &cache}});
    for (const Block& block : decoder.blocks) {
        cache.length = 0;
        run_block(run, block, pass, scratch, hidden.view());
    }
    final_norm(decoder, kernels, threads, hidden);
}

void logits(const Decoder& decoder, const Kernels& kernels, Threads& threads,
            View<const float> hidden, Scratch& scratch, View<float> out) {
    prepare_head(decoder, kernels, threads, hidden, scratch);
    gemm(kernels, threads, scratch.plain, decoder.head, out, decoder.head_alpha);
}

void losses(const Decoder& decoder, const Kernels& kernels, Threads& threads,
            View<const float> hidden, std::span<const std::int32_t> targets, Scratch& scratch,
            std::span<double> out) {
    prepare_head(decoder, kernels, threads, hidden, scratch);
    cross_entropy(kernels, threads, scratch.plain, decoder.head, targets, out, decoder.head_alpha);
}

}  // namespace hb
