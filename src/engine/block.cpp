// SPDX-License-Identifier: Apache-2.0
#include "engine/block.hpp"

#include <algorithm>
#include <cmath>

namespace hb {
namespace {

constexpr std::int64_t kLongSpan = 32;        // rows of a prompt, rather than of decoding
constexpr std::int64_t kPartBytes = 1 << 20;  // of a part's widest activation, in L2

void resize(Matrix<float>& m, std::int64_t rows, std::int64_t cols) {
    m.rows = rows;
    m.cols = cols;
    m.values.resize(static_cast<std::size_t>(rows * cols));
}

// Calls body(run, first row, rows, scratch): once with all threads, or for every part on one thread
// when there are parts for all of them. Rows are independent, so the bits are the same.
template <class Body>
void by_parts(const Runtime& run, std::int64_t rows, Scratch& scratch, const Body& body) {
    const int threads = run.threads->count();
    const std::vector<Part> parts = cut_in_parts(rows, threads);
    if (parts.empty() || rows < parts[0].rows * threads ||
        2 * parts[0].rows * run.config->intermediate > kPartBytes)
        return body(run, 0, rows, scratch);
    scratch.parts.resize(static_cast<std::size_t>(threads));
    run.threads->loop(static_cast<std::int64_t>(parts.size()), [&](std::int64_t i, int thread) {
        const Part& part = parts[static_cast<std::size_t>(i)];
        Threads alone(1);
        Runtime own = run;
        own.threads = &alone;
        body(own, part.first, part.rows, scratch.parts[static_cast<std::size_t>(thread)]);
    });
}

// How a linear wants its input.
struct Wanted {
    const Transform transform;
    const ActivationQuantizer* quantizer = nullptr;
    Precision precision = Precision::bf16;
};

Wanted input_of(const Runtime& run, const Block& block, int site, bool quantized) {
    const Site& s = block.sites[static_cast<std::size_t>(site)];
    if (!quantized) return {Transform{}, nullptr, run.precision};
    return {s.transform, s.quantizer ? &*s.quantizer : nullptr, Precision::bf16};
}

// The site's input as its linears read it: transformed and quantized, and plain for dense ones.
void prepare(const Runtime& run, const Block& block, int site, View<const float> x,
             const Norm* norm, Scratch& scratch) {
    bool any[2] = {};
    for (std::size_t i = 0; i < 7; ++i)
        if (block_linears()[i].site == site) any[block.linears[i].quantized] = true;
    for (const bool quantized : {false, true}) {
        if (!any[quantized]) continue;
        const Wanted w = input_of(run, block, site, quantized);
        prepare_operand(*run.kernels, *run.threads, x, w.transform, w.quantizer, w.precision,
                        quantized ? scratch.quantized : scratch.plain, norm);
    }
}

const Operand& input_of(const Linear& linear, const Scratch& scratch) {
    return linear.quantized ? scratch.quantized : scratch.plain;
}

const float* bias_of(const Linear& linear) {
    return linear.bias.empty() ? nullptr : linear.bias.data();
}

Product product_of(const Linear& linear, const Operand& x, View<float> y, bool add = false) {
    return {x, linear.weight, y, linear.alpha, bias_of(linear), add};
}

void apply(const Runtime& run, const Linear& linear, const Operand& x, View<float> y, bool add) {
    const Product product = product_of(linear, x, y, add);
    gemm(*run.kernels, *run.threads, {&product, 1});
}

void norm_heads(const Runtime& run, const std::vector<float>& weight, View<float> x) {
    if (weight.empty()) return;
    const std::int64_t d = run.config->head_dim;
    const View<float> heads{x.data, x.rows * (x.cols / d), d, d};
    rms_norm(*run.kernels, *run.threads, heads, weight.data(), run.config->norm_eps, heads);
}

// Half-split rotary embedding of every head: (a, b) -> (a cos - b sin, b cos + a sin). x: rows of
// the pass from `first` on.
void rotate_positions(const Runtime& run, const Pass& pass, std::int64_t first, View<float> x) {
    const std::int64_t half = pass.cosine.cols, heads = x.cols / (2 * half);
    run.threads->loop(x.rows, [&](std::int64_t r, int) {
        const float *c = pass.cosine.row(first + r), *s = pass.sine.row(first + r);
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

Norm norm_of(const Runtime& run, const std::vector<float>& weight) {
    return {weight.data(), run.config->norm_eps};
}

// Rows [first, first + h.rows) of q, k and v.
void project(const Runtime& run, const Block& block, View<const float> h, const Pass& pass,
             std::int64_t first, Scratch& own, Scratch& shared) {
    const Norm norm = norm_of(run, block.attention_norm);
    prepare(run, block, 0, h, &norm, own);
    const auto rows = [&](Matrix<float>& m) { return m.view().middle_rows(first, h.rows); };
    const View<float> q = rows(shared.q), k = rows(shared.k), v = rows(shared.v);
    const auto of = [&](int linear, View<float> y) {
        const Linear& l = block.linears[static_cast<std::size_t>(linear)];
        return product_of(l, input_of(l, own), y);
    };
    const Product products[] = {of(kQ, q), of(kK, k), of(kV, v)};
    gemm(*run.kernels, *run.threads, products);
    norm_heads(run, block.q_norm, q);
    norm_heads(run, block.k_norm, k);
    rotate_positions(run, pass, first, q);
    rotate_positions(run, pass, first, k);
}

// x3 of the x2 in scratch, made into what `wanted` says, and as it is before it is quantized
void make_hidden(const Runtime& run, const Block& block, const Scratch& scratch,
                 const Wanted& wanted, Operand& out, Operand* observed = nullptr) {
    const auto factor = [&](const Linear& l) {
        return Factor{input_of(l, scratch), l.weight, l.alpha, bias_of(l)};
    };
    const Linear &gate = block.linears[kGate], &up = block.linears[kUp];
    for (Operand* shaped : {&out, observed}) {
        if (shaped)
            shape_operand(input_of(gate, scratch).rows, run.config->intermediate, wanted.precision,
                          *shaped);
    }
    gated_gemm(*run.kernels, *run.threads, factor(gate), factor(up), wanted.transform,
               wanted.quantizer, out, observed);
}

void add_attention_part(const Runtime& run, const Block& block, View<const float> x1,
                        Scratch& scratch, View<float> h) {
    prepare(run, block, 1, x1, nullptr, scratch);
    apply(run, block.linears[kO], input_of(block.linears[kO], scratch), h, true);
}

}  // namespace

Runtime make_runtime(const ModelConfig& config, const Kernels& kernels, Threads& threads,
                     Precision precision) {
    return {&config, &kernels, &threads, precision, rope_frequencies(config)};
}

// Position * frequency in fp32, as Transformers computes it.
Pass make_pass(const Runtime& run, std::vector<Span> spans) {
    const auto half = static_cast<std::int64_t>(run.frequencies.size());
    const std::int64_t rows = spans.empty() ? 0 : spans.back().first_row + spans.back().rows;
    Pass pass{std::move(spans), Matrix<float>(rows, half), Matrix<float>(rows, half)};
    for (const Span& span : pass.spans) {
        run.threads->loop(span.rows, [&](std::int64_t r, int) {
            float *cosine = pass.cosine.row(span.first_row + r),
                  *sine = pass.sine.row(span.first_row + r);
            for (std::int64_t i = 0; i < half; ++i) {
                const float angle =
                    static_cast<float>(span.position + r) *
                    static_cast<float>(run.frequencies[static_cast<std::size_t>(i)]);
                cosine[i] = std::cos(angle);
                sine[i] = std::sin(angle);
            }
        });
    }
    return pass;
}

void attend(const Runtime& run, const Block& block, View<const float> h, const Pass& pass,
            Scratch& scratch, Matrix<float>& x1) {
    const ModelConfig& c = *run.config;
    resize(scratch.q, h.rows, c.heads * c.head_dim);
    resize(scratch.k, h.rows, c.kv_heads * c.head_dim);
    resize(scratch.v, h.rows, c.kv_heads * c.head_dim);
    by_parts(run, h.rows, scratch,
             [&](const Runtime& own, std::int64_t first, std::int64_t rows, Scratch& part) {
                 project(own, block, h.middle_rows(first, rows), pass, first, part, scratch);
             });

    resize(x1, h.rows, c.heads * c.head_dim);
    const float scale = 1 / std::sqrt(static_cast<float>(c.head_dim));
    const auto look_back = [&](const Span& span, Threads& threads) {
        append(*span.cache, threads, scratch.k.view().middle_rows(span.first_row, span.rows),
               scratch.v.view().middle_rows(span.first_row, span.rows));
        attention(*run.kernels, threads, scratch.q.view().middle_rows(span.first_row, span.rows),
                  span.position, *span.cache, scale, c.sliding_window,
                  x1.view().middle_rows(span.first_row, span.rows));
    };
    std::vector<const Span*> short_ones;  // a thread each; a long one has work for all threads
    for (const Span& span : pass.spans) {
        if (pass.spans.size() > 1 && span.rows < kLongSpan)
            short_ones.push_back(&span);
        else
            look_back(span, *run.threads);
    }
    run.threads->loop(static_cast<std::int64_t>(short_ones.size()), [&](std::int64_t i, int) {
        Threads alone(1);
        look_back(*short_ones[static_cast<std::size_t>(i)], alone);
    });
}

void add_attention(const Runtime& run, const Block& block, View<const float> x1, Scratch& scratch,
                   View<float> h) {
    by_parts(run, h.rows, scratch,
             [&](const Runtime& own, std::int64_t first, std::int64_t rows, Scratch& part) {
                 add_attention_part(own, block, x1.middle_rows(first, rows), part,
                                    h.middle_rows(first, rows));
             });
}

void enter_mlp(const Runtime& run, const Block& block, View<const float> h, Scratch& scratch) {
    const Norm norm = norm_of(run, block.mlp_norm);
    prepare(run, block, 2, h, &norm, scratch);
}

void add_mlp(const Runtime& run, const Block& block, Scratch& scratch, View<float> h) {
    const bool quantized = block.linears[kDown].quantized;
    make_hidden(run, block, scratch, input_of(run, block, 3, quantized), scratch.hidden);
    add_down(run, block, scratch, h);
}

void add_down(const Runtime& run, const Block& block, Scratch& scratch, View<float> h) {
    apply(run, block.linears[kDown], scratch.hidden, h, true);
}

void observe_site(const Runtime& run, const Block& block, int site, View<const float> x,
                  Scratch& scratch, Operand& out) {
    const Transform& t = block.sites[static_cast<std::size_t>(site)].transform;
    if (site == 3) {
        if (block.sites[3].quantizer)
            return make_hidden(run, block, scratch, input_of(run, block, 3, true), scratch.hidden,
                               &out);
        return make_hidden(run, block, scratch, {t, nullptr, Precision::bf16}, out);
    }
    const Norm norm = norm_of(run, site == 0 ? block.attention_norm : block.mlp_norm);
    prepare_operand(*run.kernels, *run.threads, x, t, nullptr, Precision::bf16, out,
                    site == 1 ? nullptr : &norm);
}

void run_block(const Runtime& run, const Block& block, const Pass& pass, Scratch& scratch,
               View<float> h) {
    attend(run, block, h, pass, scratch, scratch.attended);
    const View<const float> x1 = scratch.attended.view();
    by_parts(run, h.rows, scratch,
             [&](const Runtime& own, std::int64_t first, std::int64_t rows, Scratch& part) {
                 const View<float> rest = h.middle_rows(first, rows);
                 add_attention_part(own, block, x1.middle_rows(first, rows), part, rest);
                 enter_mlp(own, block, rest, part);
                 add_mlp(own, block, part, rest);
             });
}

}  // namespace hb
