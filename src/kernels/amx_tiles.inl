// SPDX-License-Identifier: Apache-2.0
// The dot product on tiles of 16 x 16 outputs, two by two: a step takes 32 k of 32 rows and of 32
// columns. Left rows and panels are tiles as they lie. A left side in fp32 is split into three bf16
// terms, whose sum is the number to 24 bits, and each step takes its largest term first. `Tiles` is
// the tile unit or, in the tests, a model of it.
//     0 1   sums: rows 0..15 by columns 0..15 and 16..31
//     2 3   rows 16..31
//     4 5   left rows 0..15 and 16..31       6 7   panels
#pragma once

#include "kernels/table.hpp"

namespace hb {
namespace {

constexpr std::int64_t kTileDepth = 64;   // blocks between two visits of a sum's memory
constexpr std::int64_t kSplitDepth = 16;  // the same when the left side is split
constexpr std::int64_t kPanelBytes = 64;  // a pair row

struct TileSource {
    const std::uint16_t* a[3];  // terms
    int terms;
    std::int64_t a_stride;  // in elements
    const std::uint16_t* b[2];
    std::int64_t blocks;
};

template <class Tiles, bool Rows, bool Columns>
void tile_steps(Tiles& t, const TileSource& s) {
    for (std::int64_t block = 0; block < s.blocks; ++block) {
        t.template load<6>(s.b[0] + block * kTile, kPanelBytes);
        if constexpr (Columns) t.template load<7>(s.b[1] + block * kTile, kPanelBytes);
        for (int term = 0; term < s.terms; ++term) {
            const std::uint16_t* a = s.a[term] + block * kBlock;
            t.template load<4>(a, s.a_stride * 2);
            t.template dot<0, 4, 6>();
            if constexpr (Columns) t.template dot<1, 4, 7>();
            if constexpr (Rows) {
                t.template load<5>(a + 16 * s.a_stride, s.a_stride * 2);
                t.template dot<2, 5, 6>();
                if constexpr (Columns) t.template dot<3, 5, 7>();
            }
        }
    }
}

template <int Tile, class Tiles>
void start_sum(Tiles& t, const float* c, std::int64_t stride, bool resume) {
    if (resume)
        t.template load<Tile>(c, stride * 4);
    else
        t.template zero<Tile>();
}

template <class Tiles, bool Rows, bool Columns>
void tile_square(Tiles& t, const TileSource& s, float* c, std::int64_t stride, bool resume) {
    float* below = c + 16 * stride;
    start_sum<0>(t, c, stride, resume);
    if constexpr (Columns) start_sum<1>(t, c + 16, stride, resume);
    if constexpr (Rows) start_sum<2>(t, below, stride, resume);
    if constexpr (Rows && Columns) start_sum<3>(t, below + 16, stride, resume);
    tile_steps<Tiles, Rows, Columns>(t, s);
    t.template store<0>(c, stride * 4);
    if constexpr (Columns) t.template store<1>(c + 16, stride * 4);
    if constexpr (Rows) t.template store<2>(below, stride * 4);
    if constexpr (Rows && Columns) t.template store<3>(below + 16, stride * 4);
}

template <class Tiles>
void tile_any_square(Tiles& t, const TileSource& s, bool rows, bool columns, float* c,
                     std::int64_t stride, bool resume) {
    if (rows && columns)
        tile_square<Tiles, true, true>(t, s, c, stride, resume);
    else if (rows)
        tile_square<Tiles, true, false>(t, s, c, stride, resume);
    else if (columns)
        tile_square<Tiles, false, true>(t, s, c, stride, resume);
    else
        tile_square<Tiles, false, false>(t, s, c, stride, resume);
}

// All rows, 32 at a time, by up to two panels, whose tiles stay in L1. The tile unit is set to
// exactly the rows that there are; shape_rows: to how many it is set.
template <class Tiles>
void tile_columns(Tiles& t, const TileSource& first, const Multiply& m, int panel, bool resume,
                  int& shape_rows) {
    for (int row = 0; row < m.rows; row += 32) {
        const int rows = m.rows - row < 32 ? m.rows - row : 32;
        if (rows != shape_rows) t.set_rows(rows < 16 ? rows : 16, rows > 16 ? rows - 16 : 16);
        shape_rows = rows;
        TileSource s = first;
        for (int term = 0; term < s.terms; ++term) s.a[term] += row * s.a_stride;
        tile_any_square(t, s, rows > 16, panel + 1 < m.panels, m.c + row * m.c_stride + 16 * panel,
                        m.c_stride, resume);
    }
}

// The terms of all rows: term i lies i * step behind `to`.
template <class Round>
void split_rows(const Multiply& m, std::int64_t block, std::int64_t blocks, std::uint16_t* to,
                std::int64_t step, Round round) {
    for (int r = 0; r < m.rows; ++r) {
        const float* from = m.wide_a + r * m.a_stride + block * kBlock;
        round(from, blocks * kBlock, to + r * kSplitDepth * kBlock, step);
    }
}

template <class Tiles, class Round>
void multiply_tiles(const Multiply& m, Tiles& t, Round round) {
    constexpr std::int64_t term_step = kTileRows * kSplitDepth * kBlock;
    alignas(64) std::uint16_t split[3 * term_step];
    const std::int64_t depth = m.narrow_a ? kTileDepth : kSplitDepth;
    int shape_rows = 0;
    for (std::int64_t block = 0; block < m.blocks; block += depth) {
        TileSource s{{},
                     m.wide_a ? 3 : 1,
                     m.wide_a ? kSplitDepth * kBlock : m.a_stride,
                     {},
                     m.blocks - block};
        if (s.blocks > depth) s.blocks = depth;
        if (m.wide_a) split_rows(m, block, s.blocks, split, term_step, round);
        for (int term = 0; term < s.terms; ++term) {
            s.a[term] = m.wide_a ? split + term * term_step : m.narrow_a + block * kBlock;
        }
        for (int panel = 0; panel < m.panels; panel += 2) {
            s.b[0] = m.narrow_b + panel * m.b_stride + block * kTile;
            s.b[1] = s.b[0] + m.b_stride;
            tile_columns(t, s, m, panel, m.resume || block > 0, shape_rows);
        }
    }
}

}  // namespace
}  // namespace hb
