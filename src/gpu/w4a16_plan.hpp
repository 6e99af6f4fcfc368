// SPDX-License-Identifier: Apache-2.0
// How a W4A16 product is cut into blocks. Weight rows go in bundles of `each` row blocks (16 rows),
// columns in halves of a unit (128). A thread block has `bundles` times `parts` warps: a warp
// multiplies one bundle by every parts-th half of its slice of K. A step of the block is `parts`
// halves. `slices` blocks that share rows form a cluster and add their sums at the end.
#pragma once

#include "gpu/w4a16.hpp"
#include "gpu/w4a16_layout.hpp"

namespace hb::gpu {

constexpr int kHalfCols = kUnitCols / 2;

struct W4A16Plan {
    int tiles = 1;  // of 8 rows of x
    int each = 1, bundles = 1, parts = 1, slices = 1;
    int halves = 1;        // of a slice
    bool whole_x = false;  // the slice's x stays in shared memory, else a step's at a time
    int shared_bytes = 0;
    std::int64_t blocks = 0;  // clusters

    constexpr int warps() const { return bundles * parts; }
    constexpr int steps() const { return (halves + parts - 1) / parts; }
};

constexpr int tiles_of(std::int64_t rows) {
    return rows <= 8 ? 1 : rows <= 16 ? 2 : rows <= 32 ? 4 : 8;
}
constexpr bool is_integer(WeightFormat format) {
    return format == WeightFormat::int4g32 || format == WeightFormat::int4g128;
}
// Row blocks of a warp: two share what it reads of x; INT4's sums of a group need the registers.
constexpr int each_of(WeightFormat format, int tiles) {
    return tiles <= 2 || (tiles == 8 && is_integer(format)) ? 1 : 2;
}
constexpr int most_warps(WeightFormat format, int tiles) {  // by their registers
    return tiles == 1 || (tiles == 2 && !is_integer(format)) ? 32 : 16;
}
constexpr int ring_of(int tiles) {  // steps in shared memory, one of them in use
    return tiles == 8 ? 3 : 4;
}
// Of a lane and a half: codes, scales.
constexpr int lane_scale_bytes(WeightFormat format) {
    return format == WeightFormat::int4g32 ? 16 : format == WeightFormat::int4g128 ? 4 : 8;
}
constexpr int half_bytes(WeightFormat format) {  // of a warp and a row block
    return 32 * (32 + lane_scale_bytes(format));
}
// Bytes from row to row of x: two lanes' rows start 64 bytes apart in the banks.
constexpr int x_row_bytes(const W4A16Plan& p) {
    return (p.whole_x ? p.steps() * p.parts : p.parts) * kHalfCols * 2 + 64;
}
constexpr int x_rows(int tiles, int rows) {
    return tiles == 1 ? rows : tiles * 8;
}

// Completes a plan whose cut is chosen: its sizes. False where they do not fit, or a slice is
// empty.
bool complete(W4A16Plan& plan, WeightFormat format, std::int64_t rows, std::int64_t out,
              std::int64_t in);
W4A16Plan plan_w4a16(WeightFormat format, std::int64_t rows, std::int64_t out, std::int64_t in);

Status w4a16_by_plan(const W4A16Call& call, const W4A16Plan& plan, Stream stream);

}  // namespace hb::gpu
