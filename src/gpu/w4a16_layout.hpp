// SPDX-License-Identifier: Apache-2.0
// The order of repacked weights. A unit is 16 rows by 256 columns, units of a row block follow one
// another along K. Weights are the A operand (16 x 16) of mma.m16n8k16: lane 4 g + t holds rows g
// and g + 8 and four columns of a step. Which columns those are is free as long as x's lane agrees,
// so a lane has eight neighbouring ones in every 32: with q of 64 columns, h of 32, p of two steps,
//
//     column = 64 q + 32 h + 8 t + 4 p + e,  e = 0..3
//     byte   = 2048 unit + 512 q + 16 lane + 4 (2 h + p)
//
// and a lane loads 16 bytes of weights four times, 16 bytes of x (8 columns) once in every 32. In a
// word, register r = 2 (e / 2) + (row / 8) is the pair (e even: low half, e odd: high half).
//
// E2M1: the bits (sign, exponent, exponent, mantissa) of pair r stand in each half so that a shift
// and a mask bring them to bf16's 15, 8, 7, 6, where they are the number times 2^-126:
//     r = 0: 15 8 7 6    1: 12 5 4 3 (<< 3)    2: 9 2 1 0 (<< 6)    3: 14 13 11 10 (in three parts)
// INT4: nibble r of each half.
//
// Scales of half a unit (128 columns), halves one after the other, h of 32 columns in it:
//     MX        8 g + 2 h + row / 8                the bf16 exponent of scale 2^126 / alpha
//     NV        16 g + 8 (t / 2) + 2 h + row / 8   five bits of exponent, three of mantissa
//     int4g32   16 g + 4 h + 2 (row / 8)           bf16
//     int4g128  4 g + 2 (row / 8)                  bf16
#pragma once

#include <cstdint>

#include "gpu/w4a16.hpp"

namespace hb::gpu {

constexpr int kUnitRows = 16, kUnitCols = 256, kUnitBytes = kUnitRows * kUnitCols / 2;

constexpr int unit_scale_bytes(WeightFormat format) {
    return format == WeightFormat::mxfp4 ? 128 : format == WeightFormat::int4g128 ? 64 : 256;
}

constexpr std::int64_t row_blocks(std::int64_t out) {
    return (out + kUnitRows - 1) / kUnitRows;
}
constexpr std::int64_t col_blocks(std::int64_t in) {
    return (in + kUnitCols - 1) / kUnitCols;
}

}  // namespace hb::gpu
