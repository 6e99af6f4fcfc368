// SPDX-License-Identifier: Apache-2.0
// The dot product on tiles of 16 x 16 outputs, two by two: a step takes 32 k of 32 rows and of 32
// columns. Left rows and panels are tiles as they lie. K is cut so that a strip of two panels stays
// in L1 (kTileDepth KB each) while the left tiles stream past it from L2, loaded with the hint not
// to take its place; meanwhile the next strip is asked for, a part of it at each step, so that it
// is in L2 when its turn comes. A left side in fp32 is split into three bf16 terms, whose sum is
// the number to 24 bits, and each step takes its largest term first. `Tiles` is the tile unit or,
// in the tests, a model of it.
//     0 1   sums: rows 0..15 by columns 0..15 and 16..31
//     2 3   rows 16..31
//     4 5   left rows 0..15 and 16..31       6 7   panels
#pragma once

#include "kernels/table.hpp"

namespace hb {
namespace {

constexpr std::int64_t kTileDepth = 18;  // blocks between two visits of a sum's memory, at most
constexpr std::int64_t kLine = 64;       // bytes of a tile row

// Up to two panels of a right side in codes, and where their tiles go.
struct CodedStrip {
    const std::uint8_t* from[2];
    std::uint16_t* to[2];
    std::int64_t blocks;
    int panels;
    Coding coding;
    bool moderate;

    // A quarter of a block: four lines of its tile.
    template <class Expand>
    [[gnu::always_inline]] void take(const Expand& expand, std::int64_t block, int part) const {
        for (int p = 0; p < panels; ++p) {
            expand.part(from[p] + block * coded_bytes(coding), coding, moderate, part,
                        to[p] + block * kTile + part * kTile / 4);
        }
    }
    template <class Expand>
    void take(const Expand& expand, std::int64_t first_block) const {
        for (std::int64_t block = first_block; block < blocks; ++block) {
            for (int part = 0; part < 4; ++part) take(expand, block, part);
        }
    }
};

struct TileSource {
    const std::uint16_t* a[3];  // terms
    int terms;
    std::int64_t a_step, a_below;  // in elements: to the next block, to the rows 16 below
    const std::uint16_t* b[2];
    const std::uint16_t* ahead[2];  // the strip that follows, or null
    std::int64_t blocks;
    int line, end_line;  // which lines of its tiles these rows ask for
    CodedStrip coded;    // the strip that follows, in codes, or nothing
};

// Of the strip that follows: fetched into L2 only, or expanded a quarter of a block at a time while
// the tile unit is busy.
template <class Expand>
[[gnu::always_inline]] inline void get_ahead(const TileSource& s, std::int64_t block,
                                             const Expand& expand) {
    for (int line = s.line; s.ahead[0] && line < s.end_line; ++line) {
        __builtin_prefetch(s.ahead[0] + block * kTile + 32 * line, 0, 2);
        __builtin_prefetch(s.ahead[1] + block * kTile + 32 * line, 0, 2);
    }
    if (block >= s.coded.blocks) return;
    for (int part = s.line / 4; part < s.end_line / 4; ++part) s.coded.take(expand, block, part);
}

template <class Tiles, bool Rows, bool Columns, class Expand>
void tile_steps(Tiles& t, const TileSource& s, const Expand& expand) {
    for (std::int64_t block = 0; block < s.blocks; ++block) {
        t.template load<6>(s.b[0] + block * kTile, kLine);
        if constexpr (Columns) t.template load<7>(s.b[1] + block * kTile, kLine);
        get_ahead(s, block, expand);
        for (int term = 0; term < s.terms; ++term) {
            const std::uint16_t* a = s.a[term] + block * s.a_step;
            t.template stream<4>(a, kLine);
            t.template dot<0, 4, 6>();
            if constexpr (Columns) t.template dot<1, 4, 7>();
            if constexpr (Rows) {
                t.template stream<5>(a + s.a_below, kLine);
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

template <class Tiles, bool Rows, bool Columns, class Expand>
void tile_square(Tiles& t, const TileSource& s, float* c, std::int64_t stride, bool resume,
                 const Expand& expand) {
    float* below = c + 16 * stride;
    start_sum<0>(t, c, stride, resume);
    if constexpr (Columns) start_sum<1>(t, c + 16, stride, resume);
    if constexpr (Rows) start_sum<2>(t, below, stride, resume);
    if constexpr (Rows && Columns) start_sum<3>(t, below + 16, stride, resume);
    tile_steps<Tiles, Rows, Columns>(t, s, expand);
    t.template store<0>(c, stride * 4);
    if constexpr (Columns) t.template store<1>(c + 16, stride * 4);
    if constexpr (Rows) t.template store<2>(below, stride * 4);
    if constexpr (Rows && Columns) t.template store<3>(below + 16, stride * 4);
}

template <class Tiles, class Expand>
void tile_any_square(Tiles& t, const TileSource& s, bool rows, bool columns, float* c,
                     std::int64_t stride, bool resume, const Expand& expand) {
    if (rows && columns)
        tile_square<Tiles, true, true>(t, s, c, stride, resume, expand);
    else if (rows)
        tile_square<Tiles, true, false>(t, s, c, stride, resume, expand);
    else if (columns)
        tile_square<Tiles, false, true>(t, s, c, stride, resume, expand);
    else
        tile_square<Tiles, false, false>(t, s, c, stride, resume, expand);
}

// All rows, 32 at a time, by up to two panels. The tile unit is set to exactly the rows that there
// are: full tiles, or `set_rows` below one.
template <class Tiles, class Expand>
void tile_columns(Tiles& t, TileSource& s, const Multiply& m, int panel, bool resume,
                  const Expand& expand) {
    s.end_line = 0;
    for (int row = 0; row < m.rows; row += 32) {
        const int rows = m.rows - row < 32 ? m.rows - row : 32;
        t.set_rows(rows < 16 ? rows : 16, rows > 16 ? rows - 16 : 16);
        s.line = s.end_line;
        s.end_line = row + 32 < m.rows ? 16 * (row + 32) / m.rows : 16;
        tile_any_square(t, s, rows > 16, panel + 1 < m.panels, m.c + row * m.c_stride + 16 * panel,
                        m.c_stride, resume, expand);
        for (int term = 0; term < s.terms; ++term) s.a[term] += 2 * s.a_below;
    }
    s.coded.take(expand, s.blocks);
}

// K in equal parts of at most kTileDepth blocks
inline std::int64_t tile_depth(std::int64_t blocks) {
    const std::int64_t parts = (blocks + kTileDepth - 1) / kTileDepth;
    return parts > 0 ? (blocks + parts - 1) / parts : 1;
}

// The strip of two panels from `block` on, and the one that follows it, `ahead` elements further.
inline void aim(TileSource& s, const Multiply& m, int panel, std::int64_t block,
                std::int64_t ahead) {
    s.b[0] = m.narrow_b + panel * m.b_stride + block * kTile;
    s.b[1] = s.b[0] + m.b_stride;
    s.ahead[0] = s.b[0] + ahead;
    s.ahead[1] = s.b[1] + ahead;
}

// The strip of a right side in codes, and its tiles.
inline CodedStrip coded_strip(const Multiply& m, int panel, std::int64_t block, std::int64_t blocks,
                              std::uint16_t* tiles) {
    CodedStrip strip{};
    strip.panels = m.panels - panel < 2 ? m.panels - panel : 2;
    for (int p = 0; p < strip.panels; ++p) {
        strip.from[p] = m.coded_b + (panel + p) * m.b_stride + block * coded_bytes(m.coding);
        strip.to[p] = tiles + p * kTileDepth * kTile;
    }
    strip.blocks = blocks;
    strip.coding = m.coding;
    strip.moderate = m.moderate;
    return strip;
}

inline TileSource left_source(const Multiply& m, std::int64_t block, std::int64_t blocks) {
    TileSource s{};
    s.a[0] = m.narrow_a + block * m.a_step;
    s.terms = 1;
    s.a_step = m.a_step;
    s.a_below = m.a_stride;
    s.blocks = blocks;
    return s;
}

template <class Tiles, class Expand>
void multiply_plain(const Multiply& m, Tiles& t, const Expand& expand) {
    const std::int64_t depth = tile_depth(m.blocks);
    for (int panel = 0; panel < m.panels; panel += 2) {
        for (std::int64_t block = 0; block < m.blocks; block += depth) {
            const std::int64_t rest = m.blocks - block;
            TileSource s = left_source(m, block, rest < depth ? rest : depth);
            aim(s, m, panel, block, rest > depth ? depth * kTile : 2 * m.b_stride - block * kTile);
            tile_columns(t, s, m, panel, m.resume || block > 0, expand);
        }
    }
}

// Two strips of tiles: one is read while the other one is filled.
template <class Tiles, class Expand>
void multiply_coded(const Multiply& m, Tiles& t, const Expand& expand) {
    constexpr std::int64_t kStrip = 2 * kTileDepth * kTile;
    alignas(64) std::uint16_t tiles[2 * kStrip];
    const std::int64_t depth = tile_depth(m.blocks), parts = (m.blocks + depth - 1) / depth,
                       strips = (m.panels + 1) / 2 * parts;
    const auto strip = [&](std::int64_t i) {
        if (i >= strips) return CodedStrip{};
        const std::int64_t block = i % parts * depth, rest = m.blocks - block;
        return coded_strip(m, static_cast<int>(i / parts) * 2, block, rest < depth ? rest : depth,
                           tiles + i % 2 * kStrip);
    };
    CodedStrip now = strip(0);
    now.take(expand, 0);
    for (std::int64_t i = 0; i < strips; ++i) {
        TileSource s = left_source(m, i % parts * depth, now.blocks);
        s.b[0] = now.to[0];
        s.b[1] = now.to[1];
        s.coded = strip(i + 1);
        tile_columns(t, s, m, static_cast<int>(i / parts) * 2, m.resume || i % parts > 0, expand);
        now = s.coded;
    }
}

// The terms of all rows: term i lies i * kTermStep behind `to`, tiles one behind the other.
constexpr std::int64_t kTermStep = kTileRows * kTileDepth * kBlock;

template <class Tiles, class Round, class Expand>
void multiply_wide(const Multiply& m, Tiles& t, Round round, const Expand& expand) {
    alignas(64) std::uint16_t split[3 * kTermStep], strip[2 * kTileDepth * kTile];
    const std::int64_t depth = tile_depth(m.blocks);
    for (std::int64_t block = 0; block < m.blocks; block += depth) {
        const std::int64_t rest = m.blocks - block, blocks = rest < depth ? rest : depth;
        TileSource s{};
        s.terms = 3;
        s.a_step = m.a_step;
        s.a_below = blocks * m.a_step;
        s.blocks = blocks;
        for (int row = 0; row < m.rows; row += 16) {
            round(m.wide_a + left_index(m, row, block), blocks * m.a_step,
                  split + row / 16 * s.a_below, kTermStep);
        }
        for (int panel = 0; panel < m.panels; panel += 2) {
            for (int term = 0; term < 3; ++term) s.a[term] = split + term * kTermStep;
            if (m.coded_b) {
                const CodedStrip now = coded_strip(m, panel, block, blocks, strip);
                now.take(expand, 0);
                s.b[0] = now.to[0];
                s.b[1] = now.to[1];
            } else {
                aim(s, m, panel, block, 2 * m.b_stride);
            }
            tile_columns(t, s, m, panel, m.resume || block > 0, expand);
        }
    }
}

template <class Tiles, class Expand>
void multiply_narrow(const Multiply& m, Tiles& t, const Expand& expand) {
    if (m.coded_b) return multiply_coded(m, t, expand);
    multiply_plain(m, t, expand);
}

// The right side is in bf16 or in codes. expand.part(from, coding, moderate, part, to): a quarter
// of a coded block as four lines of its tile.
template <class Tiles, class Round, class Expand>
void multiply_tiles(const Multiply& m, Tiles& t, Round round, const Expand& expand) {
    if (!m.narrow_a) return multiply_wide(m, t, round, expand);
    multiply_narrow(m, t, expand);
}

}  // namespace
}  // namespace hb
