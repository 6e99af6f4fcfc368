// SPDX-License-Identifier: Apache-2.0
// The order of W4A4's weights. They are the A operand (64 x 32) of a warpgroup's product, which
// comes from registers, so codes lie as lanes expand them. A unit is 128 rows by 128 columns, 8704
// consecutive bytes, units of a tile of rows follow one another along K; tiles are padded to pairs
// and K to 256 with zeros.
//
//     row    = 64 w + 16 warp + 8 h + g              lane = 4 g + t
//     column = 32 step + 16 half + 4 t + e           e = 0..3
//     codes  word 4096 w + 1024 warp + 512 (step / 2) + 16 lane + 4 (2 (step % 2) + h)
//            magnitude at bits 4 (4 half + e), sign at 8 e + 3 (half 0), 8 e + 7 (half 1)
//     scales byte 8192 + 256 w + 64 warp + 8 g + 4 h + step: the exponent over the row's, plus 13
//
// A word's low half is a selector of four table bytes, its upper half the next.
#pragma once

#include <cstdint>

namespace hb::gpu {

constexpr int kW4A4Tile = 128, kW4A4Depth = 128;
constexpr int kW4A4CodeBytes = kW4A4Tile * kW4A4Depth / 2;
constexpr int kW4A4UnitBytes = kW4A4CodeBytes + kW4A4Tile * kW4A4Depth / 32;
constexpr int kW4A4Bias = 13;  // the least exponent that a weight's table reaches, negated

constexpr std::int64_t w4a4_tiles(std::int64_t out) {
    return (out + 2 * kW4A4Tile - 1) / (2 * kW4A4Tile) * 2;
}
constexpr std::int64_t w4a4_depths(std::int64_t in) {
    return (in + 2 * kW4A4Depth - 1) / (2 * kW4A4Depth) * 2;
}

struct W4A4Place {
    std::int64_t word, scale;  // bytes from the start
    int shift, sign;           // bits in the word
};

constexpr W4A4Place w4a4_place(std::int64_t row, std::int64_t col, std::int64_t depths) {
    const std::int64_t unit = (row / kW4A4Tile * depths + col / kW4A4Depth) * kW4A4UnitBytes;
    const std::int64_t w = row % 128 / 64, warp = row % 64 / 16, h = row % 16 / 8, g = row % 8;
    const std::int64_t step = col % 128 / 32, half = col % 32 / 16, t = col % 16 / 4, e = col % 4;
    return {unit + 4096 * w + 1024 * warp + 512 * (step / 2) + 16 * (4 * g + t) +
                4 * (2 * (step % 2) + h),
            unit + kW4A4CodeBytes + 256 * w + 64 * warp + 8 * g + 4 * h + step,
            static_cast<int>(4 * (4 * half + e)), static_cast<int>(8 * e + 3 + 4 * half)};
}

}  // namespace hb::gpu
