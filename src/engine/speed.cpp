// SPDX-License-Identifier: Apache-2.0
// Making room for keys and values is not timed, as it happens once a sequence. A row at position i
// looks at i + 1 positions: 2 head_dim operations each for the score and for the value.
#include "engine/speed.hpp"

#include <algorithm>
#include <chrono>

#include "core/random.hpp"

namespace hb {
namespace {

double head_flops(const ModelConfig& c) {
    return 2.0 * static_cast<double>(c.vocab) * static_cast<double>(c.hidden);
}

// Positions that rows 0 .. tokens - 1 see, together.
double seen(const ModelConfig& c, std::int64_t tokens) {
    double sum = 0;
    for (std::int64_t i = 1; i <= tokens; ++i)
        sum += static_cast<double>(c.sliding_window > 0 ? std::min(i, c.sliding_window) : i);
    return sum;
}

double block_flops(const ModelConfig& c, std::int64_t tokens) {
    double weights = 0;
    for (const LinearName& linear : block_linears()) {
        const LinearShape shape = linear_shape(c, linear.name);
        weights += static_cast<double>(shape.out) * static_cast<double>(shape.in);
    }
    const auto width = static_cast<double>(c.heads * c.head_dim);
    return static_cast<double>(c.layers) *
           (2 * weights * static_cast<double>(tokens) + 4 * width * seen(c, tokens));
}

Matrix<std::int32_t> draw_tokens(const ModelConfig& c, std::int64_t rows, std::int64_t cols) {
    Matrix<std::int32_t> tokens(rows, cols);
    Random random{1, 0};
    for (auto& token : tokens.values)
        token = static_cast<std::int32_t>(random.uniform() * static_cast<double>(c.vocab));
    return tokens;
}

using Clock = std::chrono::steady_clock;
double since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

std::int64_t stored_bytes(const PackedMatrix& weight) {
    return static_cast<std::int64_t>(weight.narrow.size() * sizeof(weight.narrow[0]) +
                                     weight.wide.size() * sizeof(weight.wide[0]) +
                                     weight.coded.size());
}

std::string_view stored_type(const PackedMatrix& weight) {
    if (weight.coding == Coding::mx) return "MXFP4";
    if (weight.coding == Coding::nv) return "NVFP4";
    if (weight.coding == Coding::q8) return "Q8_0";
    return weight.precision == Precision::bf16 ? "bf16" : "fp32";
}

std::string_view embedding_type(const Decoder& decoder) {
    const Embedding& e = decoder.embedding;
    if (e.rows == 0) return stored_type(decoder.head);
    return e.narrow.empty() ? "fp32" : "bf16";
}

std::int64_t linear_bytes(const Decoder& decoder) {
    std::int64_t bytes = 0;
    for (const Block& block : decoder.blocks)
        for (const Linear& linear : block.linears) bytes += stored_bytes(linear.weight);
    return bytes;
}

std::int64_t weight_bytes(const Decoder& decoder) {
    return linear_bytes(decoder) + stored_bytes(decoder.head);
}

std::int64_t kv_bytes(const ModelConfig& config, Precision precision, KvType type) {
    constexpr std::int64_t kPositions = 32;
    return config.layers * bytes_of(make_cache(config, precision, type, kPositions)) / kPositions;
}

std::string_view kv_type(const Decoder& decoder) {
    if (decoder.kv == KvType::int8) return "int8";
    return decoder.kv == KvType::bf16 || decoder.precision == Precision::bf16 ? "bf16" : "fp32";
}

double prompt_flops(const ModelConfig& config, std::int64_t tokens) {
    return block_flops(config, tokens) + head_flops(config);
}

double decode_flops(const ModelConfig& config, std::int64_t tokens, std::int64_t sequences) {
    return static_cast<double>(sequences) *
           (block_flops(config, tokens) + static_cast<double>(tokens) * head_flops(config));
}

double time_prompt(const TimedRun& run, std::int64_t tokens, Scratch& scratch) {
    const auto prompt = draw_tokens(run.decoder.config, 1, tokens);
    Sequence sequence = make_sequence(run.decoder, tokens);
    Matrix<float> hidden, out(1, run.decoder.config.vocab);
    const auto begin = Clock::now();
    const Request request{&sequence, prompt.values};
    forward(run.decoder, run.kernels, run.threads, {&request, 1}, scratch, hidden);
    logits(run.decoder, run.kernels, run.threads, hidden.view().middle_rows(tokens - 1, 1), scratch,
           out.view());
    return since(begin);
}

double time_decode(const TimedRun& run, std::int64_t tokens, std::int64_t sequences,
                   Scratch& scratch) {
    const auto rows = draw_tokens(run.decoder.config, sequences, tokens);
    std::vector<Sequence> past;
    for (std::int64_t s = 0; s < sequences; ++s) past.push_back(make_sequence(run.decoder, tokens));
    Matrix<float> hidden, out(sequences, run.decoder.config.vocab);
    const auto begin = Clock::now();
    for (std::int64_t t = 0; t < tokens; ++t) {
        std::vector<Request> requests;
        for (std::int64_t s = 0; s < sequences; ++s)
            requests.push_back({&past[static_cast<std::size_t>(s)], {rows.row(s) + t, 1}});
        forward(run.decoder, run.kernels, run.threads, requests, scratch, hidden);
        logits(run.decoder, run.kernels, run.threads, hidden.view(), scratch, out.view());
    }
    return since(begin);
}

}  // namespace hb
