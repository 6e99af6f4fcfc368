// SPDX-License-Identifier: Apache-2.0
// Attention of a few rows over the keys of one head, in one walk over the positions, which keeps
// scores and probabilities in L1: the online softmax of Milakov and Gimelshein (arXiv 1805.02867,
// algorithm 3). The trick: probabilities are powers of two of what lies below an *integer* top, so
// that to raise the top scales what was summed by a power of two, which rounds nothing.
#pragma once

#include "kernels/rows.inl"
#include "kernels/table.hpp"

namespace hb {
namespace {

// 2^x, or 0 below 2^-126; x <= 127
inline V power_of_two(V x) {
    const V magic = set(12582912.f), shifted = x + magic, f = x - (shifted - magic);
    V p = set(kPowerOfTwo[4]);
    for (int i = 3; i >= 0; --i) p = fma(p, f, set(kPowerOfTwo[i]));
    p = fma(p, f, set(1.f));
    const V scaled = floats(bits(p) + left<23>(bits(shifted)));
    return select(less_equal(set(-126.f), x), scaled, set(0.f));
}

// One step's positions, [first, end) of those from `chunk` on, and the rows [row, row + rows) whose
// scores are at hand.
struct Step {
    std::int64_t chunk, first, end;
    int row, rows;
};

// Gives `one` every block of 32 of which row r sees a part (the block's number in the chunk and two
// vectors of scores, -infinity where nothing is seen), and `none` the number of every other block.
template <class One, class None>
[[gnu::always_inline]] inline void each_block(const Look& l, const Step& s, int r, One one,
                                              None none) {
    const std::int64_t begin = l.begin[r], end = l.end[r], last = (s.end - s.chunk) / kBlock;
    const float* at = l.scores + (r - s.row) * kScoreStride;
    std::int64_t block = (s.first - s.chunk) / kBlock;
    if (begin <= s.first && end >= s.end) {
        for (; block < last; ++block)
            one(block, load(at + kBlock * block), load(at + kBlock * block + 16));
        return;
    }
    const V hidden = floats(set(0xff800000u));
    const N after = set(static_cast<std::uint32_t>(end)),
            before = set(static_cast<std::uint32_t>(begin));
    for (; block < last; ++block) {
        const std::int64_t first = s.chunk + kBlock * block;
        if (first + kBlock <= begin || first >= end) {
            none(block);
            continue;
        }
        const auto seen = [&](std::int64_t i) {
            const N position = count_up() + set(static_cast<std::uint32_t>(s.chunk + i));
            const V x = select(less(position, after), load(at + i), hidden);
            return select(less(position, before), hidden, x);
        };
        one(block, seen(kBlock * block), seen(kBlock * block + 16));
    }
}

// The largest of each of 16 rows' lanes, a row a lane.
inline V tops_of(N (&rows)[16]) {
    transpose(rows);
    V top = floats(rows[0]);
    for (int i = 1; i < 16; ++i) top = max(floats(rows[i]), top);
    return top;
}

inline void store_weights(std::uint16_t* to, V p, V q, V& total) {
    const N half = set(0x8000u), upper = set(0xffff0000u);
    const N a = (bits(p) + half) & upper, b = (bits(q) + half) & upper;
    total = total + floats(a) + floats(b);
    store(reinterpret_cast<std::uint32_t*>(to), right<16>(a) | b);
}
inline void store_weights(float* to, V p, V q, V& total) {
    total = total + p + q;
    store_pairs(to, p, q);
}

// Over codes: p as it is to the sum, times the scales of its positions to the left side. What is
// below 2^-126 counts as zero, as the tile unit has it; a NaN stays one.
inline void store_weights(std::uint16_t* to, V p, V q, const std::uint16_t* scales, V& total) {
    const V least = set(0x1p-126f), none = set(0.f);
    total = total + p + q;
    p = p * widen(scales);
    q = q * widen(scales + 16);
    V unused = none;
    store_weights(to, select(less(p, least), none, p), select(less(q, least), none, q), unused);
}

inline void clear(std::uint16_t* to) {
    store(reinterpret_cast<std::uint32_t*>(to), set(0u));
}
inline void clear(float* to) {
    store_pairs(to, set(0.f), set(0.f));
}

// The probabilities of row r below `top` to a left side `p`, added up in `sums`.
template <bool Coded, class Number>
void weigh(const Look& l, const Step& s, int r, float top, Number* p) {
    const V scale = set(l.scale), below = set(-top);
    V total = load(l.sums + 16 * r);
    const std::int64_t a_step = l.a_step;
    p += r / 16 * (kLookColumns / kBlock) * a_step + r % 16 * kBlock;
    each_block(
        l, s, r,
        [&](std::int64_t block, V low, V high) {
            const V first = power_of_two(fma(low, scale, below)),
                    second = power_of_two(fma(high, scale, below));
            if constexpr (Coded)
                store_weights(p + block * a_step, first, second,
                              l.value_scales + s.chunk + kBlock * block, total);
            else
                store_weights(p + block * a_step, first, second, total);
        },
        [&](std::int64_t block) { clear(p + block * a_step); });
    store(l.sums + 16 * r, total);
}

// The scores at hand, made of codes, times the scales of their positions.
void scale_scores(const Look& l, const Step& s) {
    for (int r = 0; r < s.rows; ++r) {
        float* at = l.scores + r * kScoreStride;
        for (std::int64_t i = s.first; i < s.end; i += 16)
            store(at + i - s.chunk, load(at + i - s.chunk) * widen(l.key_scales + i));
    }
}

inline void scale_row(const Look& l, int r, V factor) {
    float* out = l.out + static_cast<std::int64_t>(r) * 16 * l.value_panels;
    for (int i = 0; i < 16 * l.value_panels; i += 16) store(out + i, load(out + i) * factor);
}

// Up to 16 rows from `row` on: their tops are raised, what was summed is scaled to them.
void weigh_rows(const Look& l, const Step& s, int row, float* tops) {
    alignas(64) float factors[16];
    const int rest = s.row + s.rows - row, count = rest < 16 ? rest : 16;
    N largest[16];
    for (int i = 0; i < 16; ++i) {
        V top = floats(set(0xff800000u));
        if (i < count)
            each_block(
                l, s, row + i, [&](std::int64_t, V low, V high) { top = max(high, max(low, top)); },
                [](std::int64_t) {});
        largest[i] = bits(top);
    }
    const V old = load(tops + row), now = max(ceiling(tops_of(largest) * set(l.scale)), old);
    store(tops + row, now);
    store(factors, select(less(old, now), power_of_two(old - now), set(1.f)));
    for (int r = row; r < row + count; ++r) {
        if (const float f = factors[r - row]; f != 1 && s.first > l.low) {
            scale_row(l, r, set(f));
            store(l.sums + 16 * r, load(l.sums + 16 * r) * set(f));
        }
        if (l.wide_p)
            weigh<false>(l, s, r, tops[r], l.wide_p);
        else if (l.value_codes)
            weigh<true>(l, s, r, tops[r], l.narrow_p);
        else
            weigh<false>(l, s, r, tops[r], l.narrow_p);
    }
}

inline Multiply scores_of(const Look& l, const Step& s) {
    Multiply m;
    m.a_step = l.a_step;
    m.a_stride = l.key_blocks * l.a_step;
    m.b_stride = l.key_blocks * kTile;
    const std::int64_t in_q = s.row / 16 * m.a_stride, in_k = s.first / 16 * m.b_stride;
    m.narrow_a = l.narrow_q ? l.narrow_q + in_q : nullptr;
    m.wide_a = l.wide_q ? l.wide_q + in_q : nullptr;
    m.narrow_b = l.narrow_keys ? l.narrow_keys + in_k : nullptr;
    m.wide_b = l.wide_keys ? l.wide_keys + in_k : nullptr;
    m.coded_b = l.key_codes ? l.key_codes + in_k : nullptr;
    m.coding = l.key_codes ? Coding::int8 : Coding::none;
    m.blocks = l.key_blocks;
    m.rows = s.rows;
    m.panels = static_cast<int>((s.end - s.first) / 16);
    m.c = l.scores + (s.first - s.chunk);
    m.c_stride = kScoreStride;
    return m;
}

inline Multiply values_of(const Look& l, const Step& s) {
    Multiply m;
    const std::int64_t in_p = (s.first - s.chunk) / kBlock * l.a_step, in_v = s.first * 16;
    m.narrow_a = l.narrow_p ? l.narrow_p + in_p : nullptr;
    m.wide_a = l.wide_p ? l.wide_p + in_p : nullptr;
    m.a_step = l.a_step;
    m.a_stride = kLookColumns / kBlock * l.a_step;
    m.narrow_b = l.narrow_values ? l.narrow_values + in_v : nullptr;
    m.wide_b = l.wide_values ? l.wide_values + in_v : nullptr;
    m.coded_b = l.value_codes ? l.value_codes + in_v : nullptr;
    m.coding = l.value_codes ? Coding::int8 : Coding::none;
    m.b_stride = l.value_stride;
    m.blocks = (s.end - s.first) / kBlock;
    m.rows = l.rows;
    m.panels = l.value_panels;
    m.c = l.out;
    m.c_stride = 16 * l.value_panels;
    m.resume = s.first > l.low;
    return m;
}

// product: does a Multiply. The scores of `band` rows, a multiple of 16, are at hand at a time.
template <class Product>
void look_by(const Look& l, int band, Product product) {
    alignas(64) float tops[kTileRows];
    for (int r = 0; r < kTileRows; r += 16) store(tops + r, floats(set(0xff800000u)));
    for (int r = 0; r < l.rows; ++r) store(l.sums + 16 * r, set(0.f));
    Step s{};
    for (s.chunk = l.low / kLookColumns * kLookColumns; s.chunk < l.high; s.chunk += kLookColumns) {
        s.first = s.chunk < l.low ? l.low : s.chunk;
        s.end = s.chunk + kLookColumns < l.high ? s.chunk + kLookColumns : l.high;
        for (s.row = 0; s.row < l.rows; s.row += band) {
            s.rows = l.rows - s.row < band ? l.rows - s.row : band;
            product(scores_of(l, s));
            if (l.key_codes) scale_scores(l, s);
            for (int row = s.row; row < s.row + s.rows; row += 16) weigh_rows(l, s, row, tops);
        }
        product(values_of(l, s));
    }
    for (int r = 0; r < l.rows; ++r) scale_row(l, r, set(1 / sum(load(l.sums + 16 * r))));
}

}  // namespace
}  // namespace hb
