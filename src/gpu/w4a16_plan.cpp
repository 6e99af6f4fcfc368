// SPDX-License-Identifier: Apache-2.0
// The plan is the cheapest of all by the bytes that the busiest processor waits for: weights, x
// from the L2 cache at three times the speed, and what else takes as long as so many bytes (an H200
// gets 31 KB a microsecond to a processor). A block that leaves half of the processor free lets the
// next kernel's begin beside it; a cluster's sums, steps that wait for x and few warps cost.
#include "gpu/w4a16_plan.hpp"

#include <algorithm>

namespace hb::gpu {

namespace {

constexpr int kSharedBytes = 226 * 1024;
constexpr std::int64_t kEnough = 40 << 10;  // bytes on their way that keep memory busy

// Clusters of so many blocks that an H200 runs at a time, a block a processor.
constexpr int clusters_at_a_time(int slices) {
    return slices == 1 ? 132 : slices == 2 ? 66 : slices <= 4 ? 30 : 15;
}

double cost(const W4A16Plan& p, WeightFormat format, std::int64_t rows) {
    const double waves = static_cast<double>((p.blocks + clusters_at_a_time(p.slices) - 1) /
                                             clusters_at_a_time(p.slices));
    const std::int64_t step = std::int64_t{p.warps()} * p.each * half_bytes(format);
    const std::int64_t weights = p.steps() * step;
    const double flow =
        static_cast<double>(std::min({weights, kEnough, (ring_of(p.tiles) - 1) * step})) /
        static_cast<double>(std::min(weights, kEnough));
    const double x = .35 * static_cast<double>(rows * p.steps() * p.parts * kHalfCols * 2);
    const double few = 1 + .012 * std::max(0, 24 - p.warps());
    const bool alone = p.shared_bytes > kSharedBytes / 2 || p.warps() > 16 || p.tiles > 2;
    const double fixed = (alone ? 90e3 : 40e3) + (p.slices > 1 ? 60e3 + 10e3 * p.slices : 0) +
                         (p.whole_x ? 1e3 : 6e3) * p.steps();
    return waves * (static_cast<double>(weights) * few / flow + x + fixed);
}

}  // namespace

bool complete(W4A16Plan& p, WeightFormat format, std::int64_t rows, std::int64_t out,
              std::int64_t in) {
    const auto halves = static_cast<int>(2 * col_blocks(in));
    p.halves = (halves + p.slices - 1) / p.slices;
    if ((p.slices - 1) * p.halves >= halves) return false;  // an empty slice
    const std::int64_t rows_of_block = std::int64_t{p.bundles} * p.each;
    p.blocks = (row_blocks(out) + rows_of_block - 1) / rows_of_block;
    const int weights = ring_of(p.tiles) * p.warps() * p.each * half_bytes(format);
    const int sums = p.warps() * p.each * p.tiles * 512;
    const int held = x_rows(p.tiles, static_cast<int>(rows));
    for (const bool whole : {true, false}) {
        p.whole_x = whole;
        const std::int64_t x = std::int64_t{held} * x_row_bytes(p) * (whole ? 1 : ring_of(p.tiles));
        const std::int64_t bytes = std::max(weights + x, std::int64_t{sums});
        if (bytes > kSharedBytes) continue;
        p.shared_bytes = static_cast<int>(bytes);
        return true;
    }
    return false;
}

W4A16Plan plan_w4a16(WeightFormat format, std::int64_t rows, std::int64_t out, std::int64_t in) {
    W4A16Plan best;
    double least = 0;
    for (int slices = 1; slices <= 8; slices *= 2) {
        for (int parts = 1; parts <= most_warps(format, tiles_of(rows)); parts *= 2) {
            for (int bundles = 1; bundles * parts <= most_warps(format, tiles_of(rows));
                 ++bundles) {
                W4A16Plan plan;
                plan.tiles = tiles_of(rows);
                plan.each = each_of(format, plan.tiles);
                plan.bundles = bundles;
                plan.parts = parts;
                plan.slices = slices;
                if (!complete(plan, format, rows, out, in)) continue;
                const double price = cost(plan, format, rows);
                if (best.shared_bytes && price >= least) continue;
                best = plan;
                least = price;
            }
        }
    }
    return best;
}

}  // namespace hb::gpu
