// SPDX-License-Identifier: Apache-2.0
// Row-wise tasks: the bits of ref from every entry, the value against fp64, exp to within 2 units
// in the last place over its whole range.
#include "kernels/sample.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

constexpr std::int64_t kLengths[] = {1, 7, 15, 16, 17, 31, 33, 64, 100, 577};

Matrix<float> norm(const Kernels& kernels, const Matrix<float>& x, const Matrix<float>& w) {
    Threads two(2);
    Matrix<float> y(x.rows, x.cols);
    rms_norm(kernels, two, x.view(), w.row(0), 1e-5f, y.view());
    return y;
}

Matrix<float> silu(const Kernels& kernels, const Matrix<float>& gate, const Matrix<float>& up,
                   float alpha = 1, float beta = 1) {
    Matrix<float> y(gate.rows, gate.cols);
    for (std::int64_t r = 0; r < gate.rows; ++r)
        kernels.silu_multiply(gate.row(r), alpha, up.row(r), beta, gate.cols, y.row(r));
    return y;
}

TEST(Bf16, RoundsRowsInPlaceAndBack) {
    for (const std::int64_t n : kLengths) {
        auto x = normal_matrix(3, n, 4, 3);
        const float rare[] = {NAN, -INFINITY, 0x1.ffp127f, -0.f, 0x1p-140f, 0x1.018p0f, 0x1.028p0f};
        for (std::int64_t i = 0; i < std::min<std::int64_t>(n, std::size(rare)); ++i)
            x(1, i) = rare[i];
        for (const Kernels* kernels : wide_kernels()) {
            for (std::int64_t r = 0; r < x.rows; ++r) {
                Matrix<float> wanted = x, got = x;
                std::vector<std::uint16_t> bits(static_cast<std::size_t>(n)), same = bits;
                ref().to_bf16(wanted.row(r), n, bits.data());
                kernels->to_bf16(got.row(r), n, same.data());
                EXPECT_EQ(bits, same);
                EXPECT_EQ(difference(wanted, got), "");
                Matrix<float> back = x;
                kernels->from_bf16(same.data(), n, back.row(r));
                EXPECT_EQ(difference(wanted, back), "");
                for (std::int64_t i = 0; i < n; ++i) {
                    const std::uint16_t b = float_to_bf16(x(r, i));
                    EXPECT_EQ(bits[static_cast<std::size_t>(i)], b) << x(r, i);
                }
            }
        }
    }
}

TEST(RmsNorm, IsTheFormula) {
    for (const std::int64_t n : kLengths) {
        const auto x = normal_matrix(19, n, 1, 3), w = normal_matrix(1, n, 2);
        const auto expected = norm(ref(), x, w);
        for (const Kernels* kernels : wide_kernels())
            EXPECT_EQ(difference(expected, norm(*kernels, x, w)), "");
        for (std::int64_t r = 0; r < x.rows; ++r) {
            double squares = 0;
            for (std::int64_t c = 0; c < n; ++c) squares += static_cast<double>(x(r, c)) * x(r, c);
            const double scale = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-5);
            for (std::int64_t c = 0; c < n; ++c) {
                const double wanted = x(r, c) * scale * w(0, c);
                EXPECT_NEAR(expected(r, c), wanted, 2e-6 * std::fabs(wanted));
            }
        }
    }
}

// silu(-x) with up = 1 is -x / (1 + e^x): every argument of exp is seen, and its error with it.
TEST(SiluMultiply, IsTheFormulaOverTheWholeRangeOfExp) {
    Matrix<float> gate(1, 40000), up(1, 40000);
    for (std::int64_t i = 0; i < gate.cols; ++i) {
        gate(0, i) = -100 + .005f * static_cast<float>(i);
        up(0, i) = 1;
    }
    const auto y = silu(ref(), gate, up);
    for (const Kernels* kernels : wide_kernels())
        EXPECT_EQ(difference(y, silu(*kernels, gate, up)), "");
    for (std::int64_t i = 0; i < gate.cols; ++i) {
        const double x = gate(0, i), wanted = x / (1 + std::exp(-x));
        EXPECT_NEAR(y(0, i), wanted, 4e-7 * std::fabs(wanted) + 3e-37) << x;
    }
    for (const std::int64_t n : kLengths) {
        const auto g = normal_matrix(9, n, 3), u = normal_matrix(9, n, 4);
        for (const Kernels* kernels : wide_kernels()) {
            EXPECT_EQ(difference(silu(ref(), g, u), silu(*kernels, g, u)), "");
        }
    }
}

TEST(SiluMultiply, RoundsTheFactorsFirst) {
    const float alpha = .3f, beta = -1.7f;
    const auto gate = normal_matrix(3, 577, 5), up = normal_matrix(3, 577, 6);
    auto scaled_gate = gate, scaled_up = up;
    for (float& x : scaled_gate.values) x *= alpha;
    for (float& x : scaled_up.values) x *= beta;
    const auto expected = silu(ref(), scaled_gate, scaled_up);
    EXPECT_EQ(difference(expected, silu(ref(), gate, up, alpha, beta)), "");
    for (const Kernels* kernels : wide_kernels())
        EXPECT_EQ(difference(expected, silu(*kernels, gate, up, alpha, beta)), "");
}

TEST(SiluMultiply, TakesInfinityAndNan) {
    Matrix<float> gate(1, 4), up(1, 4);
    up.values.assign(4, 2);
    gate.values.assign({INFINITY, -1000, NAN, 1000});
    for (const Kernels* kernels : wide_kernels()) {
        const auto y = silu(*kernels, gate, up);
        EXPECT_EQ(y(0, 0), INFINITY);
        EXPECT_EQ(y(0, 1), 0);
        EXPECT_TRUE(std::isnan(y(0, 2)));
        EXPECT_EQ(y(0, 3), 2000);
    }
}

// One far logit and one at x below it: log_sum_exp - top = log(1 + e^x) shows e^x to 2 units.
TEST(LogSumExp, ShowsExpToTwoUnitsInTheLastPlace) {
    for (int i = 0; i < 20000; ++i) {
        const float x = -.004f * static_cast<float>(i), pair[2] = {0, x};
        const double e = std::expm1(log_sum_exp(ref(), pair, 2)),
                     wanted = std::exp(static_cast<double>(x));
        if (x > -20) {
            ASSERT_NEAR(e, wanted, 1.6e-7 * wanted + 1e-15) << x;
        }
        for (const Kernels* kernels : wide_kernels()) {
            ASSERT_EQ(log_sum_exp(*kernels, pair, 2), log_sum_exp(ref(), pair, 2));
        }
    }
}

double exact_log_sum_exp(const Matrix<float>& x) {
    double sum = 0;
    for (const float v : x.values) sum += std::exp(static_cast<double>(v));
    return std::log(sum);
}

TEST(LogSumExpAndKl, AgreeWithDoubles) {
    for (const std::int64_t n : kLengths) {
        const auto p = normal_matrix(1, n, 5, 4), q = normal_matrix(1, n, 6, 4);
        const double lse_p = exact_log_sum_exp(p), lse_q = exact_log_sum_exp(q);
        double wanted = 0;
        for (std::int64_t i = 0; i < n; ++i) {
            const double log_p = p(0, i) - lse_p;
            wanted += std::exp(log_p) * (log_p - (q(0, i) - lse_q));
        }
        const double lse = log_sum_exp(ref(), p.row(0), n),
                     kl = kl_divergence(ref(), p.row(0), lse_p, q.row(0), lse_q, n);
        EXPECT_NEAR(lse, lse_p, 1e-6);
        EXPECT_NEAR(kl, wanted, 1e-6 * (1 + wanted));
        EXPECT_NEAR(kl_divergence(ref(), p.row(0), lse_p, p.row(0), lse_p, n), 0, 1e-12);
        for (const Kernels* kernels : wide_kernels()) {
            EXPECT_EQ(log_sum_exp(*kernels, p.row(0), n), lse);
            EXPECT_EQ(kl_divergence(*kernels, p.row(0), lse_p, q.row(0), lse_q, n), kl);
        }
    }
}

TEST(CrossEntropy, IsThatOfTheLogits) {
    Threads one(1), two(2);
    for (const std::int64_t n : {5, 512, 1037}) {
        const auto x = bf16_matrix(200, 64, 1), w = bf16_matrix(n, 64, 2);
        const auto b = pack(w.view(), Precision::bf16, one);
        const auto logits = product(ref(), one, operand(ref(), x), b);
        std::vector<std::int32_t> targets;
        std::vector<double> loss(200);
        for (int r = 0; r < 200; ++r) targets.push_back(static_cast<std::int32_t>(7 * r % n));
        auto all = wide_kernels();
        all.push_back(&ref());
        for (const Kernels* kernels : all) {
            cross_entropy(*kernels, two, operand(*kernels, x), b, targets, loss);
            for (std::int64_t r = 0; r < 200; ++r) {
                const auto at = static_cast<std::size_t>(r);
                EXPECT_EQ(loss[at], log_sum_exp(ref(), logits.row(r), n) - logits(r, targets[at]));
            }
        }
        targets[3] = static_cast<std::int32_t>(n);
        EXPECT_THROW(cross_entropy(ref(), one, operand(ref(), x), b, targets, loss), Error);
    }
}

}  // namespace

}  // namespace hb
