// SPDX-License-Identifier: Apache-2.0
#include "quantizers/product.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "core/random.hpp"
#include "quantizers/product_part.hpp"

namespace hb {
namespace {

template <class T>
Matrix<T> random(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
    Matrix<T> m(rows, cols);
    Random numbers{seed};
    for (auto& x : m.values) x = static_cast<T>(numbers.normal());
    return m;
}

template <class T>
void expect_chains(T alpha, std::int64_t depth, std::int64_t m, std::int64_t n) {
    constexpr std::int64_t kMargin = 3;  // neighbours that must not be touched
    const auto a = random<T>(depth, m + kMargin, 1), b = random<T>(depth, n + kMargin, 2);
    const auto before = random<T>(m + kMargin, n + kMargin, 3);
    auto wanted = before;
    for (std::int64_t i = 0; i < m; ++i) {
        for (std::int64_t j = 0; j < n; ++j) {
            for (std::int64_t k = 0; k < depth; ++k) {
                wanted(i, j) = std::fma(alpha * a(k, i), b(k, j), wanted(i, j));
            }
        }
    }
    const Part<const T> left{a.values.data(), depth, m, a.cols},
        right{b.values.data(), depth, n, b.cols};
    auto c = before;
    add_product_avx2(alpha, left, right, {c.values.data(), m, n, c.cols});
    EXPECT_EQ(c.values, wanted.values) << "avx2 " << depth << ' ' << m << ' ' << n;
    c = before;
    add_product(alpha, {left.data, depth, m, left.stride}, {right.data, depth, n, right.stride},
                {c.values.data(), m, n, c.cols});
    EXPECT_EQ(c.values, wanted.values) << "the machine's " << depth << ' ' << m << ' ' << n;
}

}  // namespace

TEST(Product, EveryElementIsOneChainOfFusedMultiplyAdds) {
    for (const std::int64_t depth : {0, 1, 5, 256, 257, 600}) {
        for (const std::int64_t m : {0, 1, 6, 7, 40}) {
            for (const std::int64_t n : {0, 1, 8, 15, 16, 64, 128, 150}) {
                expect_chains<float>(1, depth, m, n);
                expect_chains<float>(2, depth, m, n);
                expect_chains<double>(-1, depth, m, n);
            }
        }
    }
}

}  // namespace hb
