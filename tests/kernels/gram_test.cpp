// SPDX-License-Identifier: Apache-2.0
// Gram matrices: the same bits from every entry and in any number of calls, the bound against fp64,
// natural column order, and nothing written below the diagonal.
#include "kernels/sample.hpp"

namespace hb {

namespace {

struct Shape {
    std::int64_t rows, k;
};

constexpr Shape kShapes[] = {{1, 1},     {31, 16},   {32, 33},  {70, 96},
                             {600, 100}, {1030, 97}, {40, 576}, {64, 1030}};

class GramOf : public testing::TestWithParam<Shape> {};

void add_gram(const Kernels& kernels, Threads& threads, const Operand& x, Matrix<float>& h) {
    Transposed transposed;
    shape_transposed(x.rows, x.k, transposed);
    take_tokens(kernels, x, 0, transposed);
    accumulate_gram(kernels, threads, transposed, h.view());
}

Matrix<float> gram(const Kernels& kernels, int threads, const Matrix<float>& x) {
    Threads pool(threads);
    Matrix<float> h(x.cols, x.cols);
    add_gram(kernels, pool, operand(kernels, x), h);
    return h;
}

TEST_P(GramOf, LiesWithinItsBoundOfTheExactSum) {
    const auto [rows, k] = GetParam();
    const auto x = bf16_matrix(rows, k, 1);
    const auto h = gram(pick_kernels(), 2, x);
    for (std::int64_t i = 0; i < k; i += 1 + k / 60) {
        for (std::int64_t j = 0; j < k; ++j) {
            if (j < i) {
                ASSERT_EQ(h(i, j), 0);
                continue;
            }
            double sum = 0, magnitude = 0;
            for (std::int64_t r = 0; r < rows; ++r) {
                sum += static_cast<double>(x(r, i)) * x(r, j);
                magnitude += std::fabs(static_cast<double>(x(r, i)) * x(r, j));
            }
            ASSERT_NEAR(h(i, j), sum, magnitude * 0x1p-24 * (18 + static_cast<double>(rows) / 32))
                << i << ' ' << j;
        }
    }
}

TEST_P(GramOf, EveryEntryGivesTheBitsOfRef) {
    const auto x = bf16_matrix(GetParam().rows, GetParam().k, 2);
    const auto expected = gram(ref(), 1, x);
    for (const Kernels* kernels : wide_kernels()) {
        for (const int threads : {1, 2, 3}) {
            EXPECT_EQ(difference(expected, gram(*kernels, threads, x)), "")
                << name_of(*kernels) << threads;
        }
    }
}

TEST_P(GramOf, GoesOnAcrossCalls) {
    const auto [rows, k] = GetParam();
    const auto x = bf16_matrix(rows, k, 3);
    for (const Kernels* kernels : wide_kernels()) {
        Threads two(2);
        Matrix<float> h(k, k);
        for (std::int64_t first = 0; first < rows; first += 64) {
            Matrix<float> part(std::min<std::int64_t>(64, rows - first), k);
            std::copy_n(x.row(first), part.values.size(), part.row(0));
            add_gram(*kernels, two, operand(*kernels, part), h);
        }
        EXPECT_EQ(difference(gram(*kernels, 1, x), h), "") << name_of(*kernels);
    }
}

TEST_P(GramOf, TakesTokensInParts) {
    const auto [rows, k] = GetParam();
    const auto x = bf16_matrix(rows, k, 4);
    for (const Kernels* kernels : wide_kernels()) {
        Threads two(2);
        Matrix<float> h(k, k);
        Transposed transposed;
        shape_transposed(rows, k, transposed);
        for (std::int64_t first = (rows - 1) / 96 * 96; first >= 0; first -= 96) {
            Matrix<float> part(std::min<std::int64_t>(96, rows - first), k);
            std::copy_n(x.row(first), part.values.size(), part.row(0));
            take_tokens(*kernels, operand(*kernels, part), first, transposed);
        }
        accumulate_gram(*kernels, two, transposed, h.view());
        EXPECT_EQ(difference(gram(*kernels, 1, x), h), "") << name_of(*kernels);
    }
}

Matrix<float> product_of_tokens(const Kernels& kernels, int threads, const Matrix<float>& x,
                                const Matrix<float>& y) {
    Threads pool(threads);
    Transposed a, b;
    shape_transposed(x.rows, x.cols, a);
    shape_transposed(y.rows, y.cols, b);
    take_tokens(kernels, operand(kernels, x), 0, a);
    take_tokens(kernels, operand(kernels, y), 0, b);
    Matrix<float> c(x.cols, y.cols);
    accumulate_product(kernels, pool, a, b, c.view());
    return c;
}

TEST_P(GramOf, IsTheUpperHalfOfTheProductOfTokens) {
    const auto [rows, k] = GetParam();
    const auto x = bf16_matrix(rows, k, 5);
    auto whole = gram(ref(), 1, x);
    mirror_upper(whole.view());
    for (const Kernels* kernels : wide_kernels())
        for (const int threads : {1, 3})
            EXPECT_EQ(difference(whole, product_of_tokens(*kernels, threads, x, x)), "")
                << name_of(*kernels);
}

TEST_P(GramOf, HoldsTheProductOfTwoInputsSideBySide) {
    const auto [rows, k] = GetParam();
    const std::int64_t other = 40;
    const auto x = bf16_matrix(rows, k, 6), y = bf16_matrix(rows, other, 7);
    Matrix<float> both(rows, other + k);  // y | x
    for (std::int64_t r = 0; r < rows; ++r) {
        std::copy_n(y.row(r), other, both.row(r));
        std::copy_n(x.row(r), k, both.row(r) + other);
    }
    const auto expected = gram(ref(), 1, both);
    const auto c = product_of_tokens(pick_kernels(), 2, y, x);
    for (std::int64_t i = 0; i < other; ++i)
        for (std::int64_t j = 0; j < k; ++j) ASSERT_EQ(c(i, j), expected(i, other + j));
}

INSTANTIATE_TEST_SUITE_P(Shapes, GramOf, testing::ValuesIn(kShapes), [](const auto& shape) {
    return fmt::format("{}x{}", shape.param.rows, shape.param.k);
});

TEST(MirrorUpper, MakesTheMatrixSymmetric) {
    auto h = normal_matrix(5, 5, 1);
    const auto before = h;
    mirror_upper(h.view());
    for (int i = 0; i < 5; ++i) {
        for (int j = 0; j < 5; ++j) EXPECT_EQ(h(i, j), before(std::min(i, j), std::max(i, j)));
    }
}

TEST(Gram, RefusesWideOperandsAndTokensWithoutAPlace) {
    Threads one(1);
    Transposed transposed;
    shape_transposed(32, 32, transposed);
    const auto x = normal_matrix(3, 32, 1);
    EXPECT_THROW(take_tokens(ref(), operand(ref(), x, Precision::f32), 0, transposed), Error);
    EXPECT_THROW(take_tokens(ref(), operand(ref(), x), 32, transposed), Error);
    EXPECT_THROW(take_tokens(ref(), operand(ref(), x), 1, transposed), Error);
    Matrix<float> h(33, 33);
    EXPECT_THROW(accumulate_gram(ref(), one, transposed, h.view()), Error);
    EXPECT_THROW(accumulate_product(ref(), one, transposed, transposed, h.view()), Error);
}

}  // namespace

}  // namespace hb
