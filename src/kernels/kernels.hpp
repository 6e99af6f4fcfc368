// SPDX-License-Identifier: Apache-2.0
// The arithmetic that everything above runs on, defined once so that it gives the same bits on any
// number of threads, for any cut of the rows, and (bf16 by bf16) on any instruction set.
//
// THE DOT PRODUCT. k is cut into blocks of 32, zero-padded. In each block s0 is the fp32 fma chain
// over the first 16 products, from +0, in order; s1 the same over the last 16. Then acc = acc + (s0
// + s1), each + rounded once, blocks in order, acc from +0. This is what one AMX tile instruction
// (TDPBF16PS) does when products 0..15 are put in its even and 16..31 in its odd positions: hence
// the *lane order*, in which element 16 g + j of a block lies at position 2 j + g. With MXFP4
// or MXINT8 operands s0 and s1 are exact and share one scale, so a block is exact but for one add;
// with NVFP4 operands s0 and s1 are each the exact product of one group: every instruction set
// gives the same bits, at full speed. Difference between instruction sets: AMX flushes subnormal
// bf16 inputs and fp32 results to zero.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/matrix.hpp"
#include "core/parallel.hpp"
#include "schemes/q8.hpp"
#include "schemes/scale_rule.hpp"
#include "transforms/transform.hpp"

namespace hb {

enum class Precision { bf16, f32 };

// A block of a row in MXFP4 or MXINT8 as whole numbers, for tables that multiply these
// (multiply_ints.inl): `unit` times 32 of at most 127, in the order of a coded block's bytes, and
// where sums start.
struct WholeBlock {
    std::int8_t numbers[32];
    float unit;
    std::int32_t start;
};

// Left side of a product: rows of x in tiles of 16 rows (of all rows when they are fewer); inside a
// tile, for each block of 32 k, the tile's rows one below the other in lane order: exactly one AMX
// A tile (1 KB). Rows and k are padded with zeros.
struct Operand {
    std::int64_t rows = 0, k = 0;
    Precision precision = Precision::bf16;
    AlignedVector<std::uint16_t> narrow;
    AlignedVector<float> wide;
    AlignedVector<WholeBlock> whole = {};  // (rows, blocks), beside narrow; or empty
    bool is_whole = false;                 // every block of it could be made
    AlignedVector<float> scales = {};      // (rows), of the products; or none
    std::int64_t padded_k() const { return (k + 31) / 32 * 32; }
    std::int64_t tile_rows() const { return rows < 16 ? rows : 16; }
    std::int64_t step() const { return 32 * tile_rows(); }  // from a block to the next
    // From 16 rows to the next 16: no multiple of 64 KB, so that they do not share a cache's sets.
    std::int64_t stride() const { return 16 * padded_k() + (padded_k() % 2048 == 0 ? 4096 : 0); }
    std::int64_t size() const {
        return rows < 16 ? rows * padded_k() : (rows + 15) / 16 * stride();
    }
    std::int64_t at(std::int64_t row) const {  // of the row's first block
        return row / 16 * stride() + row % 16 * 32;
    }
};

// Right side: a weight (n, k) in panels of 16 rows n; inside a panel, for each block of 32 k, 16
// pairs x 16 rows x {even, odd}: exactly one AMX B tile (1 KB). n and k are padded with zeros.
// A weight in MXFP4 or NVFP4 stays in its 4-bit codes, a block in 272 or 288 bytes: first 4 times
// 16 words of 32 bits, word l of part q holding the codes of row l, nibble 4 g + t that of k = 16 g
// + 4 q + t; then the block's 16 E8M0 scales, or 16 E4M3 scales of g = 0 and 16 of g = 1. It stands
// for bf16 numbers element * scale, and gives the same products as they would.
// A weight in Q8_0 too stays in its codes, a block in 544 bytes: 8 times 16 words of 32 bits, word
// l of part q holding the codes of row l at positions 4 q .. 4 q + 3 of the lane order, plus 128;
// then the block's 16 scales in fp16. Code * scale has up to 18 bits, so here the number that a
// code stands for is *defined* as bf16(code * scale), to nearest, ties to even, zero as +0. Or it
// is scaled `late`, for left sides in MXINT8: a block's s0 and s1 are those of the codes, exact, and
// acc = acc + (s0 + s1) scale, rounded after the product and after the sum.
// Keys and values in int8 are laid out as Q8_0 without its scales, and stand for the codes alone.
enum class Coding { none, mx, nv, q8, int8 };
struct PackedMatrix {
    std::int64_t n = 0, k = 0;
    Precision precision = Precision::bf16;
    AlignedVector<std::uint16_t> narrow;
    AlignedVector<float> wide;  // the same order in fp32, for weights that bf16 cannot hold
    Coding coding = Coding::none;
    bool moderate = false;  // scales: E8M0 from 2^-40 to 2^40, E4M3 neither negative nor NaN
    bool late = false;      // Q8_0: scaled late
    AlignedVector<std::uint8_t> coded = {};
    AlignedVector<float> scales = {};  // (n), of the products; or none
};

// One instruction set's entry; the members are internal to kernels/.
struct Kernels;

// The best table this machine runs ("amx", "avx512vnni", "avx2"), or the one that HALFBYTE_KERNELS
// names
// ("ref" is plain C++). Throws Error when that one is unknown or cannot run here.
const Kernels& pick_kernels();
const Kernels& find_kernels(std::string_view name);
std::string_view name_of(const Kernels& kernels);
// Whether so many rows in MXFP4 or MXINT8 are multiplied by codes in whole numbers, faster than by
// bf16.
bool multiplies_whole_numbers(const Kernels& kernels, std::int64_t rows);

PackedMatrix pack(View<const float> w, Precision precision, Threads& threads);  // (n, k)
PackedMatrix pack_bf16(View<const std::uint16_t> w, Threads& threads);          // (n, k)
// Of an MX or NV weight, without its divisor, or of an INT8 one, without the scales of its rows;
// throws Error for another.
PackedMatrix pack_codes(const QTensor& w, Threads& threads);   // (n, k)
PackedMatrix pack_codes(const Q8Tensor& w, Threads& threads);  // (n, k)
// The same part by part, for a weight that is never whole anywhere else: its room, not filled, then
// its rows. A part begins with a panel (first is a multiple of 16) and only the last may end inside
// one; parts may be packed at once, each on its calling thread.
PackedMatrix make_room(std::int64_t n, std::int64_t k);  // in bf16
PackedMatrix make_room(const Scheme& scheme, std::int64_t n, std::int64_t k);
void pack_rows(View<const std::uint16_t> part, std::int64_t first, PackedMatrix& out);
// False when a scale is not moderate; out.moderate is the caller's to set.
bool pack_rows(const QTensor& part, std::int64_t first, PackedMatrix& out);
// Rows of a packed weight as numbers, times alpha.
void unpack_rows(const Kernels& kernels, const PackedMatrix& w, std::span<const std::int32_t> rows,
                 float alpha, View<float> out);  // (rows, k)

// y = x * weight / sqrt(mean(x^2) + eps); the mean is summed in 16 strided fp32 lanes, then a fixed
// tree.
struct Norm {
    const float* weight;
    float eps;
};

// x (rows, k) -> normed when a norm is given, transformed, then quantized (q given: element *
// scale, exact in bf16; under scales of rows element alone, and out.scales) or rounded to
// `precision`, in lane order. Row by row, fused; x is not changed.
void prepare_operand(const Kernels& kernels, Threads& threads, View<const float> x,
                     const Transform& t, const ActivationQuantizer* q, Precision precision,
                     Operand& out, const Norm* norm = nullptr);

// c (rows, n) = alpha * a b^T + bias, or c + alpha * a b^T when `add`. bias: n values or null.
// f32 by bf16: a is used to full fp32 precision (on AMX as three bf16 terms).
// alpha * acc, the sum with c and the sum with bias are each rounded once, in this order; with
// scales of rows or columns, alpha * acc is ((alpha * b.scales) * acc) * a.scales.
void gemm(const Kernels& kernels, Threads& threads, const Operand& a, const PackedMatrix& b,
          View<float> c, float alpha = 1, const float* bias = nullptr, bool add = false);
// Several of them at once, which must not read what another one writes.
struct Product {
    const Operand& a;
    const PackedMatrix& b;
    View<float> c;
    float alpha = 1;
    const float* bias = nullptr;
    bool add = false;
};
void gemm(const Kernels& kernels, Threads& threads, std::span<const Product> products);

// One side of a gated product: alpha * a b^T + bias, rounded as gemm() rounds it.
struct Factor {
    const Operand& a;
    const PackedMatrix& b;
    float alpha = 1;
    const float* bias = nullptr;
};
// Gives an operand its shape; its numbers are not set, but for zeros below the last row.
void shape_operand(std::int64_t rows, std::int64_t k, Precision precision, Operand& out);
// Makes the whole numbers of an operand in MXFP4 or MXINT8 that comes from elsewhere, where the
// table multiplies them.
void make_whole(const Kernels& kernels, Operand& x);
// silu(gate) * up, transformed and quantized or rounded as prepare_operand does it, into a shaped
// operand; also as it is before it is quantized, into `observed`. Gate and up are never in memory.
void gated_gemm(const Kernels& kernels, Threads& threads, const Factor& gate, const Factor& up,
                const Transform& t, const ActivationQuantizer* q, Operand& out,
                Operand* observed = nullptr);

// x^T of tokens (rows of x), both as right side and as left side.
struct Transposed {
    std::int64_t blocks = 0, features = 0;      // of 32 tokens; padded to 32
    AlignedVector<std::uint16_t> panels, rows;  // (features / 16, blocks, tile), both
};
// Room for `tokens` tokens of k features.
void shape_transposed(std::int64_t tokens, std::int64_t k, Transposed& out);
// The rows of a bf16 operand as tokens from `first` on, a multiple of 32, and zeros up to the end
// of their last block. On the calling thread; parts that share no block may be taken at once.
void take_tokens(const Kernels& kernels, const Operand& x, std::int64_t first, Transposed& out);
// h (k, k) += x^T x, upper triangle only, 32 tokens at a time in order, by the dot product above.
// h is in natural column order.
void accumulate_gram(const Kernels& kernels, Threads& threads, const Transposed& x, View<float> h);
void mirror_upper(View<float> h);
// c (kx, ky) += x^T y of the same tokens, in the same order.
void accumulate_product(const Kernels& kernels, Threads& threads, const Transposed& x,
                        const Transposed& y, View<float> c);

void rms_norm(const Kernels& kernels, Threads& threads, View<const float> x, const float* weight,
              float eps, View<float> y);
// x (rows, cols) is rounded to bf16 in place, and stored as such; and back.
void to_bf16(const Kernels& kernels, View<float> x, View<std::uint16_t> out);
void from_bf16(const Kernels& kernels, View<const std::uint16_t> x, View<float> out);

// A narrow left side quantized to MXFP4 as codes, kMxRowBytes for each 32 of its numbers, and back
// into an operand of the same shape. False when it does not consist of such blocks.
constexpr std::int64_t kMxRowBytes = 17;
bool to_mx_codes(const Kernels& kernels, const Operand& x, std::uint8_t* out);
void from_mx_codes(const Kernels& kernels, const std::uint8_t* codes, Operand& x);

// Keys and values of one layer and one sequence, packed as right sides: keys (position, head_dim),
// values (head_dim, position). bf16, or f32 for a baseline whose activations are fp32, or `coded`:
// int8 codes and a bf16 scale for each head and position; queries and probabilities are bf16 then.
struct KvCache {
    std::int64_t kv_heads = 0, head_dim = 0, capacity = 0, length = 0;  // capacity: multiple of 32
    Precision precision = Precision::bf16;
    bool coded = false;
    AlignedVector<std::uint16_t> narrow_keys, narrow_values;
    AlignedVector<float> wide_keys, wide_values;
    AlignedVector<std::uint8_t> key_codes, value_codes;
    AlignedVector<std::uint16_t> key_scales, value_scales;  // (kv_heads, capacity)

    KvCache() = default;
    KvCache(std::int64_t kv_heads, std::int64_t head_dim, std::int64_t capacity,
            Precision precision, bool coded = false);
};
std::int64_t bytes_of(const KvCache& cache);
// Rows k, v (rows, kv_heads * head_dim) become positions length, length + 1, ...; unused places
// stay zero.
void append(KvCache& cache, Threads& threads, View<const float> k, View<const float> v);

// Causal grouped-query attention of rows at positions first, first + 1, ... (their keys already
// appended): out = softmax(q K^T * scale) V, (rows, heads * head_dim). Operands in the cache's
// precision. A row's bits do not depend on which rows were computed with it. window > 0: only the
// last `window` positions.
void attention(const Kernels& kernels, Threads& threads, View<const float> q, std::int64_t first,
               const KvCache& cache, float scale, std::int64_t window, View<float> out);

// log(sum(exp(x))): fp32 terms summed in fp64, 512 numbers at a time, the parts in order.
double log_sum_exp(const Kernels& kernels, const float* x, std::int64_t n);
// loss[r] = log_sum_exp(row r of alpha a b^T) - its number targets[r], (rows) both, without the
// rows ever being in memory. Throws Error when a target is not a column.
void cross_entropy(const Kernels& kernels, Threads& threads, const Operand& a,
                   const PackedMatrix& b, std::span<const std::int32_t> targets,
                   std::span<double> loss, float alpha = 1);
// sum_i p_i (log p_i - log q_i) of two logit rows whose log_sum_exp are given.
double kl_divergence(const Kernels& kernels, const float* p, double lse_p, const float* q,
                     double lse_q, std::int64_t n);

// fp32 GEMM rate in GFLOP/s measured now on (rows, n, k), bf16 by bf16, the better of two.
double measured_gflops(const Kernels& kernels, Threads& threads, std::int64_t rows, std::int64_t n,
                       std::int64_t k);

}  // namespace hb
