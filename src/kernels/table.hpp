// SPDX-License-Identifier: Apache-2.0
// The table of an instruction set: the innermost tasks as plain functions on plain pointers. The
// files behind it are compiled for different machines, so this header holds no function that a
// linker could take from the wrong one. Everything is specified in kernels.hpp; ref.cpp says it in
// plain C++.
#pragma once

#include <cstdint>

#include "kernels/kernels.hpp"

namespace hb {

constexpr int kTileRows = 256;   // what one Multiply may cover
constexpr int kTilePanels = 32;  // 512 columns
constexpr int kBlock = 32;       // k of one step of the dot product
constexpr int kTile = 512;       // elements of a panel in one block

// The bytes of a coded block, and where in one of 4-bit codes the code at position `i` of row l
// lies: which byte, and how far up in it; and the scale of that position.
constexpr int kCodeBytes = 256;
constexpr int coded_bytes(Coding coding) {
    if (coding == Coding::int8) return kTile;
    return coding == Coding::q8 ? kTile + 32 : kCodeBytes + (coding == Coding::nv ? 32 : 16);
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

// The same in a block of 8-bit codes, which are stored plus 128.
constexpr int q8_code_byte(int l, int i) {
    return i / 4 * 64 + 4 * l + i % 4;
}
constexpr int q8_scale_byte(int l) {
    return kTile + 2 * l;
}

// c (rows, 16 * panels) = a b^T by the dot product, acc from c when `resume`, else from +0.
struct Multiply {
    const std::uint16_t* narrow_a = nullptr;  // one of the two: tiles of rows as in an Operand,
    const float* wide_a = nullptr;            // their blocks a_step, they a_stride apart
    std::int64_t a_step = 0, a_stride = 0;
    const WholeBlock* whole_a = nullptr;  // rows whole_stride apart; or null
    std::int64_t whole_stride = 0;
    const std::uint16_t* narrow_b = nullptr;  // one of the three: the first panel, b_stride apart
    const float* wide_b = nullptr;
    const std::uint8_t* coded_b = nullptr;
    Coding coding = Coding::none;
    bool moderate = false, late = false;  // as in a PackedMatrix
    std::int64_t b_stride = 0;
    float* c = nullptr;
    std::int64_t c_stride = 0;
    std::int64_t c_pair = 32;  // to the next two panels; another one only for a tile unit
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
// once. c may be acc. With scales of columns or of rows (or null) alpha acc is
// ((alpha columns) acc) rows.
struct Finish {
    const float* acc = nullptr;
    std::int64_t acc_stride = 0;
    float* c = nullptr;
    std::int64_t c_stride = 0, rows = 0, columns = 0;
    float alpha = 1;
    const float* bias = nullptr;
    bool add = false;
    const float *row_scales = nullptr, *column_scales = nullptr;
};
// The scales of a and b for their product's rows from `row` and columns from `column` on.
void take_scales(Finish& f, const Operand& a, const PackedMatrix& b, std::int64_t row,
                 std::int64_t column);  // in operand.cpp

// What rows that look at the keys of one head see: out (rows, 16 * value_panels), by the steps of
// docs/numerics.md. Queries and probabilities lie as left sides, their blocks a_step apart; one of
// narrow and wide is given of each, and of keys and values one of narrow, wide and codes.
constexpr int kLookColumns = 128;                // positions taken at a time, counted from 0
constexpr int kScoreStride = kLookColumns + 16;  // keeps 16 rows apart in a cache's sets
struct Look {
    const std::uint16_t *narrow_q = nullptr, *narrow_keys = nullptr, *narrow_values = nullptr;
    const float *wide_q = nullptr, *wide_keys = nullptr, *wide_values = nullptr;
    const std::uint8_t *key_codes = nullptr, *value_codes = nullptr;
    const std::uint16_t *key_scales = nullptr, *value_scales = nullptr;  // bf16, a position each
    std::int64_t a_step = 0, value_stride = 0;  // from a panel of values to the next
    int rows = 0, key_blocks = 0, value_panels = 0;
    const std::int64_t *begin = nullptr, *end = nullptr;  // (rows): the positions that a row sees
    std::int64_t low = 0, high = 0;     // those that some row sees, by whole blocks of 32
    float scale = 1;                    // of the scores, times log2 e
    float* scores = nullptr;            // room for (rows, kScoreStride)
    float* sums = nullptr;              // and for (rows, 16)
    std::uint16_t* narrow_p = nullptr;  // and for (rows in whole tiles, kLookColumns)
    float* wide_p = nullptr;
    float* out = nullptr;
};
// 2^f = 1 + f (c0 + f (c1 + ...)) for |f| <= 1/2, to 1e-7
constexpr float kPowerOfTwo[] = {0x1.62e42ap-1f, 0x1.ebf9bcp-3f, 0x1.c6b752p-5f, 0x1.3cea88p-7f,
                                 0x1.5bba12p-10f};

// Where block `block` of row `row` lies.
constexpr std::int64_t left_index(const Multiply& m, std::int64_t row, std::int64_t block) {
    return row / 16 * m.a_stride + block * m.a_step + row % 16 * kBlock;
}

// x (n), whole groups -> element * scale. False, with y in part written, when x or the divisor lies
// outside the range in which the fast path is exact: then quantize_activation() does it.
using QuantizeRow = bool (*)(const float* x, std::int64_t n, float divisor, float* y);
struct FastRules {
    QuantizeRow mx_ocp, mx_ct_round, mx_fp_quant, mx_rceil, mx_ceil725, mx_mse, mx_mse43;
    QuantizeRow mxint8_rceil;
    QuantizeRow nv_absmax, nv_four_over_six, nv_sweep4, nv_sweep8, nv_sweep;
};

// Of a part of a row: its largest x, and the sum of e^(x - top) in 16 strided fp64 lanes, then a
// fixed tree.
struct PartOfSum {
    float top;
    double sum;
};

constexpr std::int64_t kAnyRows = INT64_MAX;

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
    // Blocks of a row, `step` apart, as whole numbers. False when one is no such block, or its
    // numbers are so small or large that sums of fp32 products might not be exact.
    bool (*to_whole)(const std::uint16_t* from, std::int64_t step, std::int64_t blocks,
                     WholeBlock* out);
    std::int64_t whole_rows;  // left sides of up to so many rows are multiplied in whole numbers
    // x (n) is rounded to bf16 in place, and stored as such; and back
    void (*to_bf16)(float* x, std::int64_t n, std::uint16_t* out);
    void (*from_bf16)(const std::uint16_t* x, std::int64_t n, float* out);
    // blocks of a left side in MXFP4, kMxRowBytes each; false when they are not
    bool (*to_mx_codes)(const std::uint16_t* x, std::int64_t blocks, std::uint8_t* out);
    void (*from_mx_codes)(const std::uint8_t* codes, std::int64_t blocks, std::uint16_t* out);
    FastRules rules;
    void (*rms_norm)(const float* x, const float* weight, float eps, std::int64_t n, float* y);
    // silu(alpha gate) * (beta up)
    void (*silu_multiply)(const float* gate, float alpha, const float* up, float beta,
                          std::int64_t n, float* out);
    void (*look)(const Look&);
    PartOfSum (*sum_exp)(const float* x, std::int64_t n);
    double (*kl_divergence)(const float* p, double lse_p, const float* q, double lse_q,
                            std::int64_t n);
};

extern const Kernels kRefKernels, kAvx2Kernels, kAvx512Kernels, kAmxKernels;

// Largest and smallest argument of exp: above gives infinity, below gives +0.
constexpr float kExpHigh = 88.72283f, kExpLow = -87.33654f;

}  // namespace hb
