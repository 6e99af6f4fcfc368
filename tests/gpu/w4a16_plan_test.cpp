// SPDX-License-Identifier: Apache-2.0
// Every plan covers its product once and can be launched.
#include "gpu/w4a16_plan.hpp"

#include <gtest/gtest.h>

#include <random>

#include "weights.hpp"

namespace hb::gpu {

TEST(W4A16Plan, CoversTheProductAndFits) {
    std::mt19937 random(3);
    for (int i = 0; i < 300; ++i) {
        const WeightFormat format = kWeightFormats[i % 4];
        const std::int64_t rows = 1 + random() % 64, out = 1 + (random() >> random() % 14) % 200000,
                           in = 8 * (1 + (random() >> random() % 12) % 8000);
        const W4A16Plan p = plan_w4a16(format, rows, out, in);
        const std::int64_t halves = 2 * col_blocks(in), bundle = p.bundles * p.each;
        SCOPED_TRACE(testing::Message() << rows << " by " << out << " by " << in);
        EXPECT_GE(p.tiles * 8, rows);
        EXPECT_GE(p.blocks * bundle, row_blocks(out));
        EXPECT_LT((p.blocks - 1) * bundle, row_blocks(out));
        EXPECT_GE(p.slices * p.halves, halves);
        EXPECT_LT((p.slices - 1) * p.halves, halves);  // no empty slice
        EXPECT_LE(p.slices, 8);
        EXPECT_LE(p.blocks, 65535);
        EXPECT_GT(p.warps(), 0);
        EXPECT_LE(p.warps(), most_warps(format, p.tiles));
        EXPECT_GT(p.shared_bytes, 0);
        EXPECT_LE(p.shared_bytes, 227 * 1024);
    }
}

// What an H200 measured: blocks for all processors and no second wave.
TEST(W4A16Plan, KeepsEveryProcessorOfAnH200Busy) {
    constexpr std::int64_t kShapes[][2] = {
        {6144, 4096}, {4096, 4096}, {28672, 4096}, {4096, 14336}};
    for (const auto& [out, in] : kShapes) {
        for (const std::int64_t rows : {1, 16}) {
            const W4A16Plan p = plan_w4a16(WeightFormat::mxfp4, rows, out, in);
            EXPECT_GE(p.blocks * p.slices, 116) << out << "x" << in << " rows " << rows;
            EXPECT_LE(p.blocks * p.slices, 132) << out << "x" << in << " rows " << rows;
        }
    }
}

}  // namespace hb::gpu
