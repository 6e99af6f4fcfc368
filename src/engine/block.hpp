// SPDX-License-Identifier: Apache-2.0
// One decoder block, cut at its four input sites, so that the engine runs it whole and calibration
// stops between the cuts:
//
//     qkv-in    x0 = norm(h)            q, k, v = x0 W^T      RoPE, attention
//     o-in      x1 = attention out      h += x1 Wo^T
//     gate/up   x2 = norm(h)            gate, up = x2 W^T
//     down-in   x3 = silu(gate) * up    h += x3 Wd^T
//
// A site's input is transformed and quantized (W4A4), or rounded to bf16 (W4A16), or kept in fp32
// (a baseline). Attention's operands are bf16 in a quantized model and fp32 in a baseline. Between
// attention and attention a row needs no other row: many rows are cut into parts that go through
// that stretch alone, each in the cache of one core.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "kernels/kernels.hpp"
#include "model/config.hpp"

namespace hb {

struct Linear {           // y = alpha x W^T + bias
    PackedMatrix weight;  // (out, in)
    std::vector<float> bias;
    float alpha = 1;         // 1 / (weight divisor * activation divisor)
    bool quantized = false;  // reads the site's quantized input; a dense one reads it as it is
    bool ready() const { return weight.n > 0; }
};

struct Site {
    Transform transform;
    std::optional<ActivationQuantizer> quantizer;
};

enum LinearIndex { kQ, kK, kV, kO, kGate, kUp, kDown };  // the order of block_linears()

struct Block {
    std::vector<float> attention_norm, mlp_norm, q_norm, k_norm;
    std::array<Linear, 7> linears;
    std::array<Site, 4> sites;
};

// What stays the same for every block of a model.
struct Runtime {
    const ModelConfig* config = nullptr;
    const Kernels* kernels = nullptr;
    Threads* threads = nullptr;
    Precision precision = Precision::bf16;  // of dense inputs and attention
    std::vector<double> frequencies;        // RoPE, (head_dim / 2)
};

Runtime make_runtime(const ModelConfig& config, const Kernels& kernels, Threads& threads,
                     Precision precision);

// Buffers that are reused from call to call.
struct Scratch {
    Matrix<float> q, k, v, attended;
    Operand quantized, plain, hidden;
    std::vector<Scratch> parts;  // one a thread
};

// A run of rows of one sequence: rows [first_row, first_row + rows) stand at positions from
// `position`.
struct Span {
    std::int64_t first_row = 0, rows = 0, position = 0;
    KvCache* cache = nullptr;
};

// The rows that go through the blocks together, and the rotary angles of their positions.
struct Pass {
    std::vector<Span> spans;
    Matrix<float> cosine, sine;  // (rows, head_dim / 2)
};
Pass make_pass(const Runtime& run, std::vector<Span> spans);

// h -> x1, (rows, heads * head_dim): norm, projections, RoPE, cache append, attention
void attend(const Runtime& run, const Block& block, View<const float> h, const Pass& pass,
            Scratch& scratch, Matrix<float>& x1);
// h += x1 Wo^T
void add_attention(const Runtime& run, const Block& block, View<const float> x1, Scratch& scratch,
                   View<float> h);
// x2 of h into scratch, as gate and up read it
void enter_mlp(const Runtime& run, const Block& block, View<const float> h, Scratch& scratch);
// h += x3 Wd^T, of the x2 in scratch, or of the x3 in scratch.hidden
void add_mlp(const Runtime& run, const Block& block, Scratch& scratch, View<float> h);
void add_down(const Runtime& run, const Block& block, Scratch& scratch, View<float> h);

// The site's input as its Hessian sees it, transformed and rounded to bf16. x is h for sites 0 and
// 2, x1 for site 1; site 3 is made of the x2 in scratch, and leaves x3 in scratch.hidden, as the
// site's quantizer makes it, when there is one.
void observe_site(const Runtime& run, const Block& block, int site, View<const float> x,
                  Scratch& scratch, Operand& out);

// The whole block: h (rows, hidden) in place.
void run_block(const Runtime& run, const Block& block, const Pass& pass, Scratch& scratch,
               View<float> h);

}  // namespace hb
