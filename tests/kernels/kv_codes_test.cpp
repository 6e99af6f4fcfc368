// SPDX-License-Identifier: Apache-2.0
// Keys and values in int8: the laws of codes and scales, numbers at the ends of fp32, and what a
// cache of them takes.
#include "kernels/kv_codes.hpp"
#include "kernels/sample.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

constexpr std::int64_t kDim = 80, kHeads = 3, kPositions = 70;

int key_code(const KvCache& c, std::int64_t position, std::int64_t head, std::int64_t d) {
    const std::int64_t width = (c.head_dim + 31) / 32 * 32;
    const std::uint8_t* panel =
        c.key_codes.data() + (head * c.capacity + position / 16 * 16) * width + d / 32 * kTile;
    const auto l = static_cast<int>(position % 16), i = static_cast<int>(d % 16 * 2 + d / 16 % 2);
    return panel[q8_code_byte(l, i)] - 128;
}
int value_code(const KvCache& c, std::int64_t position, std::int64_t head, std::int64_t d) {
    const std::int64_t width = (c.head_dim + 15) / 16 * 16;
    const std::uint8_t* panel = c.value_codes.data() + head * c.capacity * width +
                                d / 16 * 16 * c.capacity + position / 32 * kTile;
    const auto l = static_cast<int>(d % 16),
               i = static_cast<int>(position % 16 * 2 + position / 16 % 2);
    return panel[q8_code_byte(l, i)] - 128;
}

KvCache filled(const Matrix<float>& k, const Matrix<float>& v) {
    Threads two(2);
    KvCache cache(kHeads, kDim, 96, Precision::bf16, true);
    append(cache, two, k.view(), v.view());
    return cache;
}

float largest(const Matrix<float>& x, std::int64_t r, std::int64_t head) {
    float most = 0;
    for (std::int64_t d = 0; d < kDim; ++d) most = std::max(most, std::fabs(x(r, head * kDim + d)));
    return most;
}

TEST(KvCodes, AreTheNearestUnderTheSmallestScaleThatDoesNotClip) {
    const auto k = normal_matrix(kPositions, kHeads * kDim, 1, 3),
               v = normal_matrix(kPositions, kHeads * kDim, 2, 1e-3f);
    const KvCache c = filled(k, v);
    const auto check = [&](const Matrix<float>& x, const auto& scales, const auto& code_of) {
        for (std::int64_t r = 0; r < kPositions; ++r) {
            for (std::int64_t head = 0; head < kHeads; ++head) {
                const std::uint16_t bits = scales[static_cast<std::size_t>(head * c.capacity + r)];
                const double scale = bf16_to_float(bits), most = largest(x, r, head);
                ASSERT_GE(scale * 127, most * (1 - 0x1p-23));
                ASSERT_LT(bf16_to_float(static_cast<std::uint16_t>(bits - 1)) * 127., most);
                for (std::int64_t d = 0; d < kDim; ++d) {
                    const int code = code_of(c, r, head, d);
                    ASSERT_LE(std::abs(code), 127);
                    ASSERT_LE(std::fabs(code * scale - x(r, head * kDim + d)),
                              scale * (.5 + 127 * 0x1p-24));
                }
            }
        }
    };
    check(k, c.key_scales, key_code);
    check(v, c.value_scales, value_code);
}

TEST(KvCodes, WholeNumbersAreHeldExactly) {
    Matrix<float> x(1, kHeads * kDim);
    for (std::int64_t i = 0; i < x.cols; ++i) x(0, i) = static_cast<float>(i % 255 - 127);
    for (std::int64_t head = 0; head < kHeads; ++head) x(0, head * kDim) = -127;
    const KvCache c = filled(x, x);
    for (std::int64_t i = 0; i < x.cols; ++i) {
        EXPECT_EQ(key_code(c, 0, i / kDim, i % kDim), x(0, i));
        EXPECT_EQ(value_code(c, 0, i / kDim, i % kDim), x(0, i));
    }
    EXPECT_EQ(bf16_to_float(c.key_scales[0]), 1);
}

TEST(KvCodes, StandAllNumbersOfFp32) {
    const float tiny = 0x1p-149f, huge = 0x1.fffffep127f, inf = INFINITY;
    const auto scale_of = [](std::vector<float> x) {
        return bf16_to_float(code_scale(x.data(), static_cast<std::int64_t>(x.size())));
    };
    EXPECT_EQ(scale_of({0, -0.f}), 0);
    EXPECT_EQ(scale_of({1, -127}), 1);
    EXPECT_EQ(scale_of({127.5f}), 1 + 0x1p-7f);
    EXPECT_EQ(scale_of({tiny}), 0);
    EXPECT_EQ(scale_of({-128 * tiny}), 0x1p-133f);
    EXPECT_GE(scale_of({huge, -1}), huge / 127);
    EXPECT_TRUE(std::isnan(scale_of({1, inf})));
    EXPECT_TRUE(std::isnan(scale_of({NAN, -inf})));
    Matrix<float> x(1, kHeads * kDim);
    for (std::int64_t d = 0; d < kDim; ++d) {
        x(0, d) = d % 2 ? tiny : 0;
        x(0, kDim + d) = d % 2 ? -huge : huge;
        x(0, 2 * kDim + d) = d % 2 ? NAN : 1;
    }
    const KvCache c = filled(x, x);
    for (std::int64_t d = 0; d < kDim; ++d) {
        EXPECT_EQ(key_code(c, 0, 0, d), 0);
        EXPECT_NEAR(value_code(c, 0, 1, d), d % 2 ? -127 : 127, 1);
        EXPECT_EQ(value_code(c, 0, 2, d), 0);
    }
}

// What is not a number stays none: it is not hidden by codes of zero.
TEST(KvCodes, NanReachesTheOutput) {
    auto x = normal_matrix(40, 32, 1);
    x(20, 3) = NAN;
    Threads one(1);
    for (const Kernels* kernels : {&ref(), &pick_kernels()}) {
        KvCache cache(1, 32, 64, Precision::bf16, true);
        append(cache, one, normal_matrix(40, 32, 2).view(), x.view());
        Matrix<float> out(1, 32);
        attention(*kernels, one, x.view().middle_rows(39, 1), 39, cache, 1, 0, out.view());
        EXPECT_TRUE(std::isnan(out(0, 0))) << name_of(*kernels);
    }
}

double largest_difference(const Matrix<float>& a, const Matrix<float>& b) {
    double largest = 0;
    for (std::size_t i = 0; i < a.values.size(); ++i)
        largest = std::max(largest, std::abs(static_cast<double>(a.values[i]) - b.values[i]));
    return largest;
}

// Probabilities times scales that leave the normal numbers. The tile unit takes such a product for
// zero (numerics.md), which a code of 127 makes 127 x 2^-126 at most, for each of the 90 keys.
TEST(KvCodes, EveryEntryGivesTheBitsOfRefWithTinyAndHugeValues) {
    Threads one(1);
    for (const float size : {1e-35f, 1e-32f, 1e34f}) {
        const auto q = normal_matrix(90, kDim, 1, 8), k = normal_matrix(90, kDim, 2),
                   v = normal_matrix(90, kDim, 3, size);
        KvCache cache(1, kDim, 96, Precision::bf16, true);
        append(cache, one, k.view(), v.view());
        Matrix<float> wanted(90, kDim), out(90, kDim);
        attention(ref(), one, q.view(), 0, cache, 1, 0, wanted.view());
        EXPECT_NE(wanted(89, 0), 0);
        for (const Kernels* kernels : wide_kernels()) {
            attention(*kernels, one, q.view(), 0, cache, 1, 0, out.view());
            if (name_of(*kernels) == "amx" && size < 1)
                EXPECT_LE(largest_difference(wanted, out), 90 * 127 * 0x1p-126) << size;
            else
                EXPECT_EQ(difference(wanted, out), "") << name_of(*kernels) << ' ' << size;
        }
    }
}

TEST(KvCodes, TakeHalfTheBytes) {
    for (const auto& [dim, share] : {std::pair{64, .52}, {128, .51}, {96, .52}}) {
        const KvCache wide(8, dim, 320, Precision::f32), narrow(8, dim, 320, Precision::bf16),
            coded(8, dim, 320, Precision::f32, true);
        EXPECT_EQ(bytes_of(wide), 2 * bytes_of(narrow));
        EXPECT_EQ(bytes_of(narrow), 2 * 2 * 8 * dim * 320);
        EXPECT_EQ(bytes_of(coded), 2 * 8 * (dim + 2) * 320);
        EXPECT_LT(static_cast<double>(bytes_of(coded)),
                  share * static_cast<double>(bytes_of(narrow)));
    }
}

}  // namespace

}  // namespace hb
