// SPDX-License-Identifier: Apache-2.0
// Q8_0: a number is off by at most half a step, what is on the grid stays, and what cannot be held
// is refused.
#include "schemes/q8.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "core/random.hpp"

namespace hb {
namespace {

Matrix<float> random_matrix(std::int64_t rows, std::int64_t cols, float size) {
    Random random{7};
    Matrix<float> m(rows, cols);
    for (float& x : m.values) x = size * random.normal();
    return m;
}

// The fp16 scale is off by 2^-11 of itself, or, below 2^-14, by 2^-25: then the largest number may
// be cut at 127 steps.
TEST(Q8, IsOffByHalfAStep) {
    Threads two(2);
    for (const float size : {1e-6f, 1e-3f, 1.f, 1e4f}) {
        const auto w = random_matrix(5, 96, size);
        const Q8Tensor q = quantize_q8(w.view(), two);
        for (std::int64_t r = 0; r < w.rows; ++r) {
            for (std::int64_t c = 0; c < w.cols; ++c) {
                const float step = f16_to_float(q.scales(r, c / 32));
                const float x = static_cast<float>(q.codes(r, c)) * step;
                const float cut = 127 * std::max(step * 0x1p-11f, 0x1p-25f);
                EXPECT_LE(std::fabs(x - w(r, c)), .5f * step * (1 + 1e-5f) + cut) << w(r, c);
                EXPECT_NE(q.codes(r, c), -128);
            }
        }
    }
}

TEST(Q8, KeepsItsOwnNumbers) {
    Threads one(1);
    Q8Tensor q{4, 64, Matrix<std::int8_t>(4, 64), Matrix<std::uint16_t>(4, 2)};
    Random random{3};
    for (auto& code : q.codes.values) code = static_cast<std::int8_t>(random.bits() % 255 - 127);
    Matrix<float> w(4, 64);
    for (std::int64_t r = 0; r < 4; ++r) {
        for (std::int64_t g = 0; g < 2; ++g) {
            q.codes(r, 32 * g + r) = 127;
            q.scales(r, g) = static_cast<std::uint16_t>(0x1000 + random.bits() % 0x3000);
            for (std::int64_t c = 32 * g; c < 32 * g + 32; ++c)
                w(r, c) = static_cast<float>(q.codes(r, c)) * f16_to_float(q.scales(r, g));
        }
    }
    const Q8Tensor again = quantize_q8(w.view(), one);
    EXPECT_EQ(again.codes.values, q.codes.values);
    EXPECT_EQ(again.scales.values, q.scales.values);
}

TEST(Q8, NumbersAreRoundedOnceToBf16AndZeroIsPositive) {
    Q8Tensor q{1, 32, Matrix<std::int8_t>(1, 32), Matrix<std::uint16_t>(1, 1)};
    q.scales(0, 0) = 0x3c05;  // 1 + 5 / 1024
    q.codes(0, 1) = 127;
    q.codes(0, 2) = -64;
    const auto numbers = dequantize_bf16(q);
    EXPECT_EQ(bf16_to_float(numbers(0, 1)), 127.5f);  // of 127.62
    EXPECT_EQ(bf16_to_float(numbers(0, 2)), -64.5f);  // of -64.31
    q.scales(0, 0) = 0xbc00;
    EXPECT_EQ(dequantize_bf16(q)(0, 0), 0);
}

TEST(Q8, RefusesWhatItCannotHold) {
    Threads two(2);
    auto w = random_matrix(3, 64, 1);
    for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf(""), 1e7f}) {
        w(2, 40) = bad;
        EXPECT_THROW(quantize_q8(w.view(), two), Error) << bad;
    }
    EXPECT_THROW(quantize_q8(random_matrix(2, 48, 1).view(), two), Error);
}

}  // namespace
}  // namespace hb
