// SPDX-License-Identifier: Apache-2.0
// The dot product on tiles of 16 x 16 outputs, two by two: a step takes 32 k of 32 rows and of 32
// columns. Left rows and panels are tiles as they lie. K is cut so that a strip of two panels stays
// in L1 (kTileDepth KB each) while the left tiles stream past it from L2, loaded with the hint not
// to take its place. A step first asks for all it multiplies; then the vector unit does a share of
// the work `beside`, which is to get the next strip while this one is multiplied: tiles are asked
// for into L2, codes are expanded into a second buffer (amx_coded.inl). A left side in fp32 is
// split into three bf16 terms, whose sum is the number to 24 bits, and each step takes its largest
// term first. `Tiles` is the tile unit or, in the tests, a model of it.
//     0 1   sums: rows 0..15 by columns 0..15 and 16..31
//     2 3   rows 16..31
//     4 5   left rows 0..15 and 16..31       6 7   panels
#pragma once

#include "kernels/table.hpp"

namespace hb {
namespace {

constexpr std::int64_t kTileDepth = 18;  // blocks between two visits of a sum's memory, at most
constexpr std::int64_t kLine = 64;       // bytes of a tile row

// The terms of all rows: term i lies i * kTermStep behind the first.
constexpr std::int64_t kTermStep = kTileRows * kTileDepth * kBlock;

struct TileSource {  // distances in elements
    const std::uint16_t* a;
    std::int64_t a_step, a_below;  // to the next block, to the rows 16 below
    const std::uint16_t* b;
    std::int64_t b_step, b_right;  // to the next block, to the second panel
    std::int64_t blocks;
    const float* sums;  // those after the ones that grow, asked for meanwhile
};

struct Nothing {
    void begin(int, int) {}
    void step() {}
};

// Tiles of the strip that follows, into L2: of each of them the lines that are these rows' share.
struct Fetch {
    const std::uint16_t* ahead;
    std::int64_t right, blocks;
    std::int64_t block = 0;
    int line = 0, end_line = 0;

    void begin(int row, int rows) {
        block = 0;
        line = end_line;
        end_line = row + 32 < rows ? 16 * (row + 32) / rows : 16;
    }
    void step() {
        const std::uint16_t* tile = ahead + block++ * kTile;
        for (int i = line; i < end_line; ++i) {
            __builtin_prefetch(tile + 32 * i, 0, 2);
            __builtin_prefetch(tile + right + 32 * i, 0, 2);
        }
    }
};

template <class Tiles, bool Lower, bool Right>
[[gnu::always_inline]] inline void tile_dots(Tiles& t) {
    t.template dot<0, 4, 6>();
    if constexpr (Right) t.template dot<1, 4, 7>();
    if constexpr (Lower) t.template dot<2, 5, 6>();
    if constexpr (Lower && Right) t.template dot<3, 5, 7>();
}

template <class Tiles, bool Lower, bool Right, int Terms, class Beside>
[[gnu::always_inline]] inline void tile_steps(Tiles& t, const TileSource& source, Beside& work) {
    const TileSource s = source;
    Beside beside = work;  // both in registers, which tiles in memory do not touch
    const std::uint16_t *a = s.a, *b = s.b;
    for (std::int64_t block = 0; block < s.blocks; ++block, a += s.a_step, b += s.b_step) {
        t.template stream<4>(a, kLine);
        if constexpr (Lower) t.template stream<5>(a + s.a_below, kLine);
        t.template load<6>(b, kLine);
        if constexpr (Right) t.template load<7>(b + s.b_right, kLine);
        beside.step();
        for (int line = 0; line < 4; ++line)
            __builtin_prefetch(s.sums + block * kLine + 16 * line, 1);
        tile_dots<Tiles, Lower, Right>(t);
        for (int term = 1; term < Terms; ++term) {
            t.template stream<4>(a + term * kTermStep, kLine);
            if constexpr (Lower) t.template stream<5>(a + term * kTermStep + s.a_below, kLine);
            tile_dots<Tiles, Lower, Right>(t);
        }
    }
    work = beside;
}

template <int Tile, class Tiles>
void start_sum(Tiles& t, const float* c, std::int64_t stride, bool resume) {
    if (resume)
        t.template load<Tile>(c, stride * 4);
    else
        t.template zero<Tile>();
}

template <class Tiles, bool Lower, bool Right, int Terms, class Beside>
[[gnu::noinline]] void tile_square(Tiles& t, const TileSource& s, float* c, std::int64_t stride,
                                   bool resume, Beside& beside) {
    float* below = c + 16 * stride;
    start_sum<0>(t, c, stride, resume);
    if constexpr (Right) start_sum<1>(t, c + 16, stride, resume);
    if constexpr (Lower) start_sum<2>(t, below, stride, resume);
    if constexpr (Lower && Right) start_sum<3>(t, below + 16, stride, resume);
    tile_steps<Tiles, Lower, Right, Terms>(t, s, beside);
    t.template store<0>(c, stride * 4);
    if constexpr (Right) t.template store<1>(c + 16, stride * 4);
    if constexpr (Lower) t.template store<2>(below, stride * 4);
    if constexpr (Lower && Right) t.template store<3>(below + 16, stride * 4);
}

template <int Terms, class Tiles, class Beside>
void tile_any_square(Tiles& t, const TileSource& s, bool lower, bool right, float* c,
                     std::int64_t stride, bool resume, Beside& beside) {
    if (lower && right)
        tile_square<Tiles, true, true, Terms>(t, s, c, stride, resume, beside);
    else if (lower)
        tile_square<Tiles, true, false, Terms>(t, s, c, stride, resume, beside);
    else if (right)
        tile_square<Tiles, false, true, Terms>(t, s, c, stride, resume, beside);
    else
        tile_square<Tiles, false, false, Terms>(t, s, c, stride, resume, beside);
}

// All rows, 32 at a time, by up to two panels. The tile unit is set to exactly the rows that there
// are: full tiles, or `set_rows` below one.
template <int Terms, class Tiles, class Beside>
void tile_columns(Tiles& t, TileSource s, const Multiply& m, int panel, bool resume,
                  Beside& beside) {
    for (int row = 0; row < m.rows; row += 32, s.a += 2 * s.a_below) {
        const int rows = m.rows - row < 32 ? m.rows - row : 32;
        t.set_rows(rows < 16 ? rows : 16, rows > 16 ? rows - 16 : 16);
        beside.begin(row, m.rows);
        float* const c = m.c + row * m.c_stride + panel / 2 * m.c_pair;
        s.sums = m.c_stride == 32 && row + 32 < m.rows ? c + 32 * 32 : c;
        tile_any_square<Terms>(t, s, rows > 16, panel + 1 < m.panels, c, m.c_stride, resume,
                               beside);
    }
}

// K in equal parts of at most kTileDepth blocks
inline std::int64_t tile_depth(std::int64_t blocks) {
    const std::int64_t parts = (blocks + kTileDepth - 1) / kTileDepth;
    return parts > 0 ? (blocks + parts - 1) / parts : 1;
}

// A left side in bf16 from `block` on.
inline void take_left(TileSource& s, const Multiply& m, std::int64_t block) {
    s.a = m.narrow_a + block * m.a_step;
    s.a_below = m.a_stride;
}

// Up to `depth` blocks from `block` on, of a right side in tiles.
inline TileSource tile_source(const Multiply& m, int panel, std::int64_t block,
                              std::int64_t depth) {
    TileSource s{};
    s.a_step = m.a_step;
    s.b = m.narrow_b + panel * m.b_stride + block * kTile;
    s.b_step = kTile;
    s.b_right = m.b_stride;
    s.blocks = m.blocks - block < depth ? m.blocks - block : depth;
    return s;
}

template <class Tiles>
void multiply_plain(const Multiply& m, Tiles& t) {
    const std::int64_t depth = tile_depth(m.blocks);
    for (int panel = 0; panel < m.panels; panel += 2) {
        for (std::int64_t block = 0; block < m.blocks; block += depth) {
            TileSource s = tile_source(m, panel, block, depth);
            take_left(s, m, block);
            const std::int64_t next =
                m.blocks - block > depth ? depth * kTile : 2 * m.b_stride - block * kTile;
            Fetch fetch{s.b + next, m.b_stride, s.blocks};
            tile_columns<1>(t, s, m, panel, m.resume || block > 0, fetch);
        }
    }
}

}  // namespace
}  // namespace hb
