// SPDX-License-Identifier: Apache-2.0
// Repacked weights read as the kernel reads them, lane by lane, against the weights themselves.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "gpu/w4a16_layout.hpp"
#include "weights.hpp"

namespace hb::gpu {

namespace {

// The shifts and masks of w4a16_weights.cuh: both halves of register r, in units of the scale.
float expanded(bool integer, std::uint32_t w, int r, int half, std::uint16_t scale) {
    const auto pick = [&](std::uint32_t pair) {
        return static_cast<std::uint16_t>(pair >> 16 * half);
    };
    if (integer) return bf16_to_float(pick((w >> 4 * r & 0x000f000fu) | 0x43004300u)) - 136;
    const std::uint32_t last =
        (w << 1 & 0x80008000u) | (w >> 5 & 0x01000100u) | (w >> 4 & 0x00c000c0u);
    return bf16_to_float(pick(r == 3 ? last : w << 3 * r & 0x81c081c0u)) * bf16_to_float(scale);
}

std::uint16_t scale_of(WeightFormat format, const std::uint8_t* s, int lane, int q, int h,
                       int high) {
    const int g = lane / 4, t = lane % 4;
    const auto half = [&](int byte) {
        std::uint16_t u;
        std::memcpy(&u, s + byte, 2);
        return u;
    };
    switch (format) {
        case WeightFormat::mxfp4:
            return static_cast<std::uint16_t>(s[q / 2 * 64 + 8 * g + q % 2 * 4 + 2 * h + high]
                                              << 7);
        case WeightFormat::nvfp4:
            return static_cast<std::uint16_t>(
                (s[q / 2 * 128 + 16 * g + t / 2 * 8 + q % 2 * 4 + 2 * h + high] << 4) + 0x7600);
        case WeightFormat::int4g32:
            return half(q / 2 * 128 + 16 * g + q % 2 * 8 + 4 * h + 2 * high);
        default:
            return half(q / 2 * 32 + 4 * g + 2 * high);
    }
}

void compare(WeightFormat format, std::int64_t out, std::int64_t in) {
    const TestWeights w(format, out, in, 5);
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(w4a16_code_bytes(out, in))),
        scales(static_cast<std::size_t>(w4a16_scale_bytes(format, out, in)));
    float alpha = 0;
    ASSERT_TRUE(repack_w4a16(w.view(), codes.data(), scales.data(), &alpha).ok());
    int wrong = 0;
    for (std::int64_t unit = 0; unit < row_blocks(out) * col_blocks(in); ++unit) {
        for (int i = 0; i < kUnitRows * kUnitCols; ++i) {
            const int lane = i % 32, q = i / 32 % 4, h = i / 128 % 2, p = i / 256 % 2,
                      r = i / 512 % 4, half = i / 2048;
            const std::int64_t row = unit / col_blocks(in) * 16 + lane / 4 + r % 2 * 8;
            const std::int64_t col = unit % col_blocks(in) * 256 + 64 * q + 32 * h +
                                     8 * (lane % 4) + 4 * p + r / 2 * 2 + half;
            std::uint32_t word;
            std::memcpy(
                &word, codes.data() + unit * kUnitBytes + q * 512 + lane * 16 + 4 * (2 * h + p), 4);
            const std::uint16_t scale = scale_of(
                format, scales.data() + unit * unit_scale_bytes(format), lane, q, h, r % 2);
            float got = expanded(w.integer(), word, r, half, scale) * alpha, wanted = 0;
            if (w.integer()) got *= bf16_to_float(scale);
            if (row < out && col < in) wanted = w.element(row, col) * w.scale(row, col);
            // alpha holds 1 / divisor, rounded: leave it out by comparing against the same product.
            if (format == WeightFormat::nvfp4) wanted *= std::ldexp(alpha, -8);
            wrong += got != wanted;
        }
    }
    EXPECT_EQ(0, wrong) << static_cast<int>(format) << " " << out << "x" << in;
}

}  // namespace

TEST(Repack, LanesReadTheirOwnWeights) {
    for (const WeightFormat format : kWeightFormats) {
        compare(format, 16, 256);
        compare(format, 21, 384);
        compare(format, 40, 512);
    }
}

TEST(Repack, Refuses) {
    TestWeights w(WeightFormat::mxfp4, 2, 64, 1);
    std::vector<std::uint8_t> codes(2048), scales(128);
    float alpha = 0;
    w.scales = {1, 120, 240, 120};
    EXPECT_FALSE(repack_w4a16(w.view(), codes.data(), scales.data(), &alpha).ok());
    w.scales = {255, 120, 120, 120};
    EXPECT_FALSE(repack_w4a16(w.view(), codes.data(), scales.data(), &alpha).ok());
    w.in = 48;
    EXPECT_FALSE(repack_w4a16(w.view(), codes.data(), scales.data(), &alpha).ok());
}

}  // namespace hb::gpu
