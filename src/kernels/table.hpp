// SPDX-License-Identifier: Apache-2.0
// The table of an instruction set: the innermost tasks as plain functions on plain pointers. The
// files behind it are compiled for different machines, so this header holds no function that a
// linker could take from the wrong one. Everything is specified in kernels.hpp; ref.cpp says it in
// plain C++.
#pragma once

#include <cstdint>

#include "kernels/kernels.hpp"

namespace hb {

constexpr int kTileRows = 192;   // what one Multiply may cover
constexpr int kTilePanels = 32;  // 512 columns
constexpr int kBlock = 32;       // k of one step of the dot product
constexpr int kTile = 512;       // elements of a panel in one block

// The bytes of a coded block, and where in it the code at position `i` of row l lies: which byte,
// and how far up in it; and the scale of that position.
constexpr int kCodeBytes = 256;
constexpr int coded_bytes(Coding coding) {
    return kCodeBytes + (coding == Coding::nv ? 32 : 16);
}
constexpr int code_byte(int l, int i) {
    return i / 8 * 64 + 4 * l + i % 2 * 2 + i / 4 % 2;
}
constexpr int code_shift(int i) {
    return i / 2 % 2 * 4;
}
constexpr int scale_byte(Coding coding, int l, int i) {
    return kCodeBytes + (coding == Coding::nv ? i % 2 * 16 : 0) + l;
}

// c (rows, 16 * panels) = a b^T by the dot product, acc from c when `resume`, else from +0.
struct Multiply {
    const std::uint16_t* narrow_a = nullptr;  // one of the two: tiles of rows as in an Operand,
    const float* wide_a = nullptr;            // their blocks a_step, they a_stride apart
    std::int64_t a_step = 0, a_stride = 0;
    const std::uint16_t* narrow_b = nullptr;  // one of the three: the first panel, b_stride apart
    const float* wide_b = nullptr;
    const std::uint8_t* coded_b = nullptr;
    Coding coding = Coding::none;
    bool moderate = false;  // as in a PackedMatrix
    std::int64_t b_stride = 0;
    float* c = nullptr;
    std::int64_t c_stride = 0;
    std::int64_t blocks = 0;
    int rows = 0, panels = 0;
    bool resume = false;
};

// Rows [row, row + rows) of a; row is a multiple of 16. In operand.cpp.
Multiply left_of(const Operand& a, std::int64_t row, std::int64_t rows);
// Panels [panel, panel + panels) of b. In operand.cpp.
void take_right(Multiply& m, const PackedMatrix& b, std::int64_t panel, std::int64_t panels);
// Of both sides only `blocks` blocks of k from `block` on. In operand.cpp.
void take_span(Multiply& m, std::int64_t block, std::int64_t blocks);

// c = c + alpha acc (when adding) or alpha acc, then + bias (per column, or null), each rounded
// once. c may be acc.
struct Finish {
    const float* acc = nullptr;
    std::int64_t acc_stride = 0;
    float* c = nullptr;
    std::int64_t c_stride = 0, rows = 0, columns = 0;
    float alpha = 1;
    const float* bias = nullptr;
    bool add = false;
};

// Scores of rows at positions [0, width) -> probabilities, in the one that is given: left tiles as
// in a Multiply, their blocks `step` apart. The scores lie in chunks of kScoreColumns positions:
// row r of chunk c is at (c * rows + r) * kScoreStride, which keeps 16 rows apart in a cache's
// sets.
constexpr int kScoreColumns = 128, kScoreStride = 144;
struct Softmax {
    float* scores = nullptr;  // overwritten
    int rows = 0;
    std::int64_t width = 0;                               // a multiple of 32
    const std::int64_t *begin = nullptr, *end = nullptr;  // (rows): what is seen; the rest gets 0
    float scale = 1;
    std::uint16_t* narrow = nullptr;
    float* wide = nullptr;
    std::int64_t step = kBlock;
};
constexpr std::int64_t score_index(const Softmax& s, std::int64_t row, std::int64_t position) {
    return (position / kScoreColumns * s.rows + row) * kScoreStride + position % kScoreColumns;
}

// Where block `block` of row `row` lies.
constexpr std::int64_t left_index(const Multiply& m, std::int64_t row, std::int64_t block) {
    return row / 16 * m.a_stride + block * m.a_step + row % 16 * kBlock;
}

// x (n), whole groups -> element * scale. False, with y in part written, when x or the divisor lies
// outside the range in which the fast path is exact: then quantize_activation() does it.
using QuantizeRow = bool (*)(const float* x, std::int64_t n, float divisor, float* y);
struct FastRules {
    QuantizeRow mx_ocp, mx_ct_round, mx_fp_quant, mx_rceil, mx_ceil725, mx_mse, mx_mse43;
    QuantizeRow nv_absmax, nv_four_over_six, nv_sweep4, nv_sweep8, nv_sweep;
};

// Of a part of a row: its largest x, and the sum of e^(x - top) in 16 strided fp64 lanes, then a
// fixed tree.
struct PartOfSum {
    float top;
    double sum;
};

struct Kernels {
    const char* name;
    int panels;  // that a product is best cut into
    void (*multiply)(const Multiply&);
    // blocks of a coded panel -> tiles of bf16
    void (*expand)(const std::uint8_t* from, Coding coding, bool moderate, std::int64_t blocks,
                   std::uint16_t* out);
    void (*finish)(const Finish&);
    // 32 rows of x by 32 columns in lane order (as 16 words) -> two panels' tiles of x^T, and the
    // same as left tiles
    void (*transpose)(const std::uint32_t* const (&x)[32], std::uint32_t* const (&tiles)[2],
                      std::uint32_t* const (&rows)[2]);
    void (*hadamard)(float* x, std::int64_t n, int block);
    // n values, a multiple of 32, whose blocks are stored `step` apart
    void (*to_lanes)(const float* x, std::int64_t n, std::uint16_t* narrow, float* wide,
                     std::int64_t step);
    FastRules rules;
    void (*rms_norm)(const float* x, const float* weight, float eps, std::int64_t n, float* y);
    void (*silu_multiply)(const float* gate, const float* up, std::int64_t n, float* out);
    void (*softmax)(const Softmax&);
    PartOfSum (*sum_exp)(const float* x, std::int64_t n);
    double (*kl_divergence)(const float* p, double lse_p, const float* q, double lse_q,
                            std::int64_t n);
};

extern const Kernels kRefKernels, kAvx2Kernels, kAvx512Kernels, kAmxKernels;

// Largest and smallest argument of exp: above gives infinity, below gives +0.
constexpr float kExpHigh = 88.72283f, kExpLow = -87.33654f;

}  // namespace hb
