// SPDX-License-Identifier: Apache-2.0
// The fold of MXFP4 into E5M2, for every code and exponent, and W4A4's weights read as lanes read
// them.
#include <gtest/gtest.h>

#include <cmath>

#include "accumulator.hpp"
#include "formats/all.hpp"
#include "gpu/w4a4.hpp"
#include "gpu/w4a4_weights.cuh"
#include "weights.hpp"

namespace hb::gpu {

namespace {

double folded(std::uint32_t code, int s) {
    std::uint32_t bytes[2];
    fold_codes(code, fold_table(s), bytes);
    return e5m2(static_cast<std::uint8_t>(bytes[0]));
}

}  // namespace

TEST(Fold, EveryCodeUnderEveryExponentIsExact) {
    for (int s = kFoldBottom; s <= kFoldTop; ++s)
        for (std::uint32_t code = 0; code < 16; ++code)
            EXPECT_EQ(std::ldexp(E2M1::decode(static_cast<std::uint8_t>(code)), s), folded(code, s))
                << code << " " << s;
    for (std::uint32_t biased = 0; biased <= 2 * kW4A4Bias; ++biased) {
        const FoldTable t = weight_table(biased),
                        wanted = fold_table(static_cast<int>(biased) - kW4A4Bias);
        EXPECT_EQ(wanted.low, t.low);
        EXPECT_EQ(wanted.high, t.high);
    }
}

// All pairs of codes under all pairs of exponents, that is every spread of both rows.
TEST(Fold, EveryProductIsExact) {
    int wrong = 0;
    for (int s = kFoldBottom; s <= kFoldTop; ++s)
        for (int t = kFoldBottom; t <= kFoldTop; ++t)
            for (std::uint32_t pair = 0; pair < 256; ++pair) {
                const double wanted =
                    std::ldexp(E2M1::decode(static_cast<std::uint8_t>(pair & 15)) *
                                   E2M1::decode(static_cast<std::uint8_t>(pair >> 4)),
                               s + t);
                const auto product = static_cast<float>(folded(pair & 15, s)) *
                                     static_cast<float>(folded(pair >> 4, t));
                wrong += static_cast<double>(product) != wanted;
            }
    EXPECT_EQ(0, wrong);
}

TEST(Fold, EightCodesKeepTheirOrder) {
    std::mt19937 random(1);
    for (int i = 0; i < 2000; ++i) {
        const auto codes = static_cast<std::uint32_t>(random());
        const int s = static_cast<int>(random() % kFoldSpan) + kFoldBottom;
        std::uint32_t bytes[2];
        fold_codes(codes, fold_table(s), bytes);
        for (int k = 0; k < 8; ++k)
            EXPECT_EQ(std::ldexp(E2M1::decode(static_cast<std::uint8_t>(codes >> 4 * k & 15)), s),
                      e5m2(static_cast<std::uint8_t>(bytes[k / 4] >> k % 4 * 8)));
    }
}

// Registers of the A operand: a[4 step + r], rows g (r even) and g + 8, columns 4 t and 16 + 4 t.
TEST(Repack, W4A4LanesExpandTheirOwnWeights) {
    for (const auto& [out, in] : {std::pair{128, 256}, {200, 416}, {8, 32}}) {
        TestWeights w(WeightFormat::mxfp4, out, in, 9);
        for (auto& scale : w.scales) scale = static_cast<std::uint8_t>(100 + scale % 27);
        std::vector<std::uint8_t> packed(static_cast<std::size_t>(w4a4_weight_bytes(out, in)));
        std::vector<float> factors(static_cast<std::size_t>(w4a4_factors(out)));
        ASSERT_TRUE(
            repack_w4a4(out, in, w.codes.data(), w.scales.data(), 1, packed.data(), factors.data())
                .ok());
        const auto depths = w4a4_depths(in), units = w4a4_tiles(out) * depths;
        int wrong = 0;
        for (std::int64_t i = 0; i < units * 256; ++i) {
            const int lane = static_cast<int>(i % 32), warp = static_cast<int>(i / 32 % 4),
                      half = static_cast<int>(i / 128 % 2);
            const std::int64_t unit = i / 256;
            std::uint32_t a[16];
            const LaneWeights at =
                lane_weights(static_cast<unsigned>(half), static_cast<unsigned>(warp),
                             static_cast<unsigned>(lane));
            expand_weights(packed.data() + unit * kW4A4UnitBytes, at.codes, at.scales, a);
            for (int k = 0; k < 64; ++k) {
                const int step = k / 16, r = k / 4 % 4, e = k % 4;
                const std::int64_t row = unit / depths * 128 + half * 64 + warp * 16 + lane / 4 +
                                         r % 2 * 8,
                                   col = unit % depths * 128 + step * 32 + r / 2 * 16 +
                                         lane % 4 * 4 + e;
                double wanted = 0;
                if (row < out && col < in) wanted = w.element(row, col) * w.scale(row, col);
                wrong += e5m2(static_cast<std::uint8_t>(a[k / 4] >> 8 * e)) *
                             factors[static_cast<std::size_t>(row)] !=
                         wanted;
            }
        }
        EXPECT_EQ(0, wrong) << out << "x" << in;
    }
}

TEST(Repack, W4A4RefusesWhatDoesNotFit) {
    std::vector<std::uint8_t> codes(32, 0x11), scales{1, 28},
        packed(static_cast<std::size_t>(w4a4_weight_bytes(1, 64)));
    std::vector<float> factors(static_cast<std::size_t>(w4a4_factors(1)));
    const auto repack = [&] {
        return repack_w4a4(1, 64, codes.data(), scales.data(), 1, packed.data(), factors.data());
    };
    EXPECT_FALSE(repack().ok());
    scales[1] = 27;
    EXPECT_TRUE(repack().ok());
    scales[1] = 255;
    EXPECT_FALSE(repack().ok());
    std::fill(codes.begin() + 16, codes.end(), std::uint8_t{0x80});  // -0 and 0
    EXPECT_TRUE(repack().ok());
}

}  // namespace hb::gpu
