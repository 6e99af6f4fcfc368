// SPDX-License-Identifier: Apache-2.0
#include "engine/block.hpp"

#include <algorithm>
#include <cmath>

namespace hb {
namespace {

constexpr std::int64_t kMlpRows = 512;  // rows of gate and up in memory at a time

void resize(Matrix<float>& m, std::int64_t rows, std::int64_t cols) {
    m.rows = rows;
    m.cols = cols;
    m.values.resize(static_cast<std::size_t>(rows * cols));
}

// The site's input as its linears read it: transformed and quantized, and plain for dense ones.
void prepare(const Runtime& run, const Block& block, int site, View<const float> x,
             Scratch& scratch) {
    bool any_quantized = false, any_plain = false;
    for (std::size_t i = 0; i < 7; ++i) {
        if (block_linears()[i].site != site) continue;
        (block.linears[i].quantized ? any_quantized : any_plain) = true;
    }
    const Site& s = block.sites[static_cast<std::size_t>(site)];
    if (any_quantized)
        prepare_operand(*run.kernels, *run.threads, x, s.transform,
                        s.quantizer ? &*s.quantizer : nullptr, Precision::bf16, scratch.quantized);
    if (any_plain)
        prepare_operand(*run.kernels, *run.threads, x, Transform{}, nullptr, run.precision,
                        scratch.plain);
}

void apply(const Runtime& run, const Linear& linear, const Scratch& scratch, View<float> y,
           bool add) {
    gemm(*run.kernels, *run.threads, linear.quantized ? scratch.quantized : scratch.plain,
         linear.weight, y, linear.alpha, linear.bias.empty() ? nullptr : linear.bias.data(), add);
}

void norm_heads(const Runtime& run, const std::vector<float>& weight, Matrix<float>& x) {
    if (weight.empty()) return;
    const std::int64_t d = run.config->head_dim;
    const View<float> heads{x.values.data(), x.rows * (x.cols / d), d, d};
    rms_norm(*run.kernels, *run.threads, heads, weight.data(), run.config->norm_eps, heads);
}

// cos and sin of every row's angles: position * frequency in fp32, as Transformers computes them.
void rope_tables(const Runtime& run, std::span<const Span> spans, std::int64_t rows,
                 Scratch& scratch) {
    const auto half = static_cast<std::int64_t>(run.frequencies.size());
    resize(scratch.cosine, rows, half);
    resize(scratch.sine, rows, half);
    for (const Span& span : spans) {
        run.threads->loop(span.rows, [&](std::int64_t r, int) {
            float *cosine = scratch.cosine.row(span.first_row + r),
                  *sine = scratch.sine.row(span.first_row + r);
            for (std::int64_t i = 0; i < half; ++i) {
                const float angle =
                    static_cast<float>(span.position + r) *
                    static_cast<float>(run.frequencies[static_cast<std::size_t>(i)]);
                cosine[i] = std::cos(angle);
                sine[i] = std::sin(angle);
            }
        });
    }
}

// Half-split rotary embedding of every head: (a, b) -> (a cos - b sin, b cos + a sin).
void rotate_positions(const Runtime& run, const Scratch& scratch, Matrix<float>& x) {
    const std::int64_t half = scratch.cosine.cols, heads = x.cols / (2 * half);
    run.threads->loop(x.rows, [&](std::int64_t r, int) {
        const float *c = scratch.cosine.row(r), *s = scratch.sine.row(r);
        float* row = x.row(r);
        for (std::int64_t head = 0; head < heads; ++head, row += 2 * half) {
            for (std::int64_t i = 0; i < half; ++i) {
                const float a = row[i], b = row[i + half];
                row[i] = a * c[i] - b * s[i];
                row[i + half] = b * c[i] + a * s[i];
            }
        }
    });
}

}  // namespace

Runtime make_runtime(const ModelConfig& config, const Kernels& kernels, Threads& threads,
                     Precision precision) {
    return {&config, &kernels, &threads, precision, rope_frequencies(config)};
}

void input_of_qkv(const Runtime& run, const Block& block, View<const float> h, Matrix<float>& x) {
    resize(x, h.rows, h.cols);
    rms_norm(*run.kernels, *run.threads, h, block.attention_norm.data(), run.config->norm_eps,
             x.view());
}

void attend(const Runtime& run, const Block& block, View<const float> x0,
            std::span<const Span> spans, Scratch& scratch, Matrix<float>& x1) {
    const ModelConfig& c = *run.config;
    prepare(run, block, 0, x0, scratch);
    resize(scratch.q, x0.rows, c.heads * c.head_dim);
    resize(scratch.k, x0.rows, c.kv_heads * c.head_dim);
    resize(scratch.v, x0.rows, c.kv_heads * c.head_dim);
    apply(run, block.linears[kQ], scratch, scratch.q.view(), false);
    apply(run, block.linears[kK], scratch, scratch.k.view(), false);
    apply(run, block.linears[kV], scratch, scratch.v.view(), false);
    norm_heads(run, block.q_norm, scratch.q);
    norm_heads(run, block.k_norm, scratch.k);
    rope_tables(run, spans, x0.rows, scratch);
    rotate_positions(run, scratch, scratch.q);
    rotate_positions(run, scratch, scratch.k);

    resize(x1, x0.rows, c.heads * c.head_dim);
    const float scale = 1 / std::sqrt(static_cast<float>(c.head_dim));
    const auto look_back = [&](const Span& span, Threads& threads) {
        append(*span.cache, scratch.k.view().middle_rows(span.first_row, span.rows),
               scratch.v.view().middle_rows(span.first_row, span.rows));
        attention(*run.kernels, threads, scratch.q.view().middle_rows(span.first_row, span.rows),
                  span.position, *span.cache, scale, c.sliding_window,
                  x1.view().middle_rows(span.first_row, span.rows));
    };
    if (spans.size() == 1) return look_back(spans[0], *run.threads);
    run.threads->loop(static_cast<std::int64_t>(spans.size()), [&](std::int64_t i, int) {
        Threads alone(1);
        look_back(spans[static_cast<std::size_t>(i)], alone);
    });
}

void add_attention(const Runtime& run, const Block& block, View<const float> x1, Scratch& scratch,
                   View<float> h) {
    prepare(run, block, 1, x1, scratch);
    apply(run, block.linears[kO], scratch, h, true);
}

void input_of_mlp(const Runtime& run, const Block& block, View<const float> h, Matrix<float>& x) {
    resize(x, h.rows, h.cols);
    rms_norm(*run.kernels, *run.threads, h, block.mlp_norm.data(), run.config->norm_eps, x.view());
}

void mlp_hidden(const Runtime& run, const Block& block, View<const float> x2, Scratch& scratch,
                Matrix<float>& x3) {
    const std::int64_t width = run.config->intermediate;
    prepare(run, block, 2, x2, scratch);
    resize(scratch.gate, x2.rows, width);
    resize(scratch.up, x2.rows, width);
    resize(x3, x2.rows, width);
    apply(run, block.linears[kGate], scratch, scratch.gate.view(), false);
    apply(run, block.linears[kUp], scratch, scratch.up.view(), false);
    silu_multiply(*run.kernels, *run.threads, scratch.gate.view(), scratch.up.view(), x3.view());
}

void add_mlp(const Runtime& run, const Block& block, View<const float> x3, Scratch& scratch,
             View<float> h) {
    prepare(run, block, 3, x3, scratch);
    apply(run, block.linears[kDown], scratch, h, true);
}

void run_block(const Runtime& run, const Block& block, std::span<const Span> spans,
               Scratch& scratch, View<float> h) {
    input_of_qkv(run, block, h, scratch.normed);
    attend(run, block, scratch.normed.view(), spans, scratch, scratch.attended);
    add_attention(run, block, scratch.attended.view(), scratch, h);
    for (std::int64_t first = 0; first < h.rows; first += kMlpRows) {
        const View<float> part = h.middle_rows(first, std::min(kMlpRows, h.rows - first));
        input_of_mlp(run, block, part, scratch.normed);
        mlp_hidden(run, block, scratch.normed.view(), scratch, scratch.hidden);
        add_mlp(run, block, scratch.hidden.view(), scratch, part);
    }
}

}  // namespace hb
