// SPDX-License-Identifier: Apache-2.0
// Right sides in codes on the tile unit: while one strip of two panels is multiplied (64 cycles a
// step), the vector unit expands the next one into a second buffer, a quarter of a block (a `Part`)
// at a time, as many a step as it takes, and asks for the codes of the strip behind that. In a
// buffer the two panels' tiles alternate, so that part i lies at i * kTile / 4.
#pragma once

#include "kernels/amx_tiles.inl"

namespace hb {
namespace {

// Part i is quarter i % 4 of block i / 8 of panel i / 4 % 2. `part(from, quarter, to)`: a quarter
// of a block of part.bytes() as four lines of its tile.
template <class Part>
struct Parts {
    Part part;
    const std::uint8_t *from, *behind;
    std::int64_t panel;  // bytes from the first to the second
    std::uint16_t* to;
    std::int64_t end, quota;
    std::int64_t next = 0;

    void begin(int, int) {}
    [[gnu::always_inline]] void step() {
        const std::int64_t until = next + quota < end ? next + quota : end;
        for (; next < until; ++next) take();
    }
    [[gnu::always_inline]] void take() {
        const std::int64_t at = (next >> 2 & 1) * panel + (next >> 3) * part.bytes(),
                           quarter = part.bytes() / 4;
        part(from + at, static_cast<int>(next & 3), to + next * (kTile / 4));
        const std::uint8_t* asked = behind + at + (next & 3) * quarter;
        for (std::int64_t line = 0; line < quarter; line += kLine)
            __builtin_prefetch(asked + line, 0, 2);
    }
    void rest() {
        for (; next < end; ++next) take();
    }
};

struct StripPlace {
    int panel;
    std::int64_t block, blocks;
};

// All strips of a product: K in parts of `depth` blocks, panels by twos.
struct Strips {
    std::int64_t depth, parts, count;

    explicit Strips(const Multiply& m)
        : depth(tile_depth(m.blocks)),
          parts((m.blocks + depth - 1) / depth),
          count((m.panels + 1) / 2 * parts) {}
    StripPlace at(const Multiply& m, std::int64_t i) const {
        const std::int64_t block = i % parts * depth, rest = m.blocks - block;
        return {static_cast<int>(i / parts) * 2, block, rest < depth ? rest : depth};
    }
};

template <class Part>
Parts<Part> parts_of(const Multiply& m, const Part& part, const StripPlace& place,
                     const StripPlace& behind, std::uint16_t* to) {
    const auto codes = [&](const StripPlace& p) {
        return m.coded_b + p.panel * m.b_stride + p.block * part.bytes();
    };
    const std::int64_t bands = (m.rows + 31) / 32, panels = m.panels - place.panel < 2 ? 1 : 2;
    return {part, codes(place),     codes(behind),          panels < 2 ? 0 : m.b_stride,
            to,   8 * place.blocks, (8 + bands - 1) / bands};
}

inline TileSource strip_source(const Multiply& m, const StripPlace& place,
                               const std::uint16_t* tiles) {
    TileSource s{};
    s.a_step = m.a_step;
    s.b = tiles;
    s.b_step = 2 * kTile;
    s.b_right = kTile;
    s.blocks = place.blocks;
    return s;
}

template <class Tiles, class Part>
void multiply_strips(const Multiply& m, Tiles& t, const Part& part) {
    constexpr std::int64_t kStrip = 2 * kTileDepth * kTile;
    alignas(64) std::uint16_t tiles[2 * kStrip];
    const Strips strips(m);
    const auto place = [&](std::int64_t i) {
        return strips.at(m, i < strips.count ? i : strips.count - 1);
    };
    const auto parts = [&](std::int64_t i) {
        Parts<Part> p = parts_of(m, part, place(i), place(i + 1), tiles + i % 2 * kStrip);
        if (i >= strips.count) p.end = 0;
        return p;
    };
    parts(0).rest();
    for (std::int64_t i = 0; i < strips.count; ++i) {
        const StripPlace now = place(i);
        Parts<Part> next = parts(i + 1);
        TileSource s = strip_source(m, now, tiles + i % 2 * kStrip);
        take_left(s, m, now.block);
        tile_columns<1>(t, s, m, now.panel, m.resume || now.block > 0, next);
        next.rest();
    }
}

// expand.pick(coding, moderate, body): body(part) with the Part of that coding.
template <class Tiles, class Expand>
void multiply_narrow(const Multiply& m, Tiles& t, const Expand& expand) {
    if (!m.coded_b) return multiply_plain(m, t);
    expand.pick(m.coding, m.moderate, [&](const auto& part) { multiply_strips(m, t, part); });
}

// A left side in fp32: all its rows are split a part of K at a time, and the right side's codes
// expanded anew for each.
template <class Tiles, class Round, class Expand>
void multiply_wide(const Multiply& m, Tiles& t, Round round, const Expand& expand) {
    alignas(64) std::uint16_t split[3 * kTermStep], tiles[2 * kTileDepth * kTile];
    const std::int64_t depth = tile_depth(m.blocks);
    Nothing nothing;
    for (std::int64_t block = 0; block < m.blocks; block += depth) {
        const std::int64_t rest = m.blocks - block, blocks = rest < depth ? rest : depth;
        for (int row = 0; row < m.rows; row += 16) {
            round(m.wide_a + left_index(m, row, block), blocks * m.a_step,
                  split + row / 16 * blocks * m.a_step, kTermStep);
        }
        for (int panel = 0; panel < m.panels; panel += 2) {
            const StripPlace place{panel, block, blocks};
            if (m.coded_b)
                expand.pick(m.coding, m.moderate, [&](const auto& part) {
                    parts_of(m, part, place, place, tiles).rest();
                });
            TileSource s =
                m.coded_b ? strip_source(m, place, tiles) : tile_source(m, panel, block, depth);
            s.a = split;
            s.a_below = blocks * m.a_step;
            tile_columns<3>(t, s, m, panel, m.resume || block > 0, nothing);
        }
    }
}

// round(from, n, to, step): n fp32 -> three bf16 terms, `step` apart.
template <class Tiles, class Round, class Expand>
void multiply_tiles(const Multiply& m, Tiles& t, Round round, const Expand& expand) {
    if (!m.narrow_a) return multiply_wide(m, t, round, expand);
    multiply_narrow(m, t, expand);
}

}  // namespace
}  // namespace hb
