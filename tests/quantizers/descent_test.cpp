// SPDX-License-Identifier: Apache-2.0
// Laws of coordinate descent, against its objective in fp64: it never rises, and where descent
// stops no single code lowers it.
#include "quantizers/descent.hpp"

#include <gtest/gtest.h>

#include "quantizers/problems.hpp"

namespace hb {
namespace {

using test::make_problem;
using test::random_hessian;
using test::random_matrix;

constexpr std::int64_t kIn = 256, kOut = 70;
constexpr double kAdded = 3;

Matrix<double> errors_of(const Matrix<float>& w, const QTensor& q) {
    const auto rounded = dequantize(q);
    Matrix<double> e(w.rows, w.cols);
    for (std::size_t i = 0; i < e.values.size(); ++i)
        e.values[i] = static_cast<double>(rounded.values[i]) - static_cast<double>(w.values[i]);
    return e;
}

// E (H + added I)
Matrix<double> gradient_of(const Matrix<double>& e, const Matrix<float>& h) {
    Matrix<double> g(e.rows, e.cols);
    for (std::int64_t r = 0; r < e.rows; ++r) {
        for (std::int64_t c = 0; c < e.cols; ++c) {
            g(r, c) = kAdded * e(r, c);
            for (std::int64_t k = 0; k < e.cols; ++k)
                g(r, c) += e(r, k) * static_cast<double>(h(k, c));
        }
    }
    return g;
}

std::vector<double> objective(const Matrix<float>& w, const QTensor& q, const Matrix<float>& h) {
    const auto e = errors_of(w, q), g = gradient_of(e, h);
    std::vector<double> f(static_cast<std::size_t>(w.rows));
    for (std::int64_t r = 0; r < w.rows; ++r)
        for (std::int64_t c = 0; c < w.cols; ++c)
            f[static_cast<std::size_t>(r)] += e(r, c) * g(r, c);
    return f;
}

class Descent : public testing::TestWithParam<const Scheme*> {
protected:
    const Scheme& scheme() const { return *GetParam(); }
    Matrix<float> w = random_matrix(kOut, kIn, 1), h = random_hessian(kIn, 400, 2);
    QTensor start(std::string_view quantizer) const {
        return test::run(quantizer, make_problem({w}, h, scheme()))[0].weight;
    }
};

INSTANTIATE_TEST_SUITE_P(Schemes, Descent, testing::ValuesIn([] {
                             std::vector<const Scheme*> all;
                             for (const auto& scheme : all_schemes()) all.push_back(&scheme);
                             return all;
                         }()),
                         [](const auto& made) { return std::string(made.param->name); });

}  // namespace

TEST_P(Descent, NeverRaisesTheErrorOfARow) {
    for (const char* quantizer : {"rtn", "gptq"}) {
        QTensor q = start(quantizer);
        auto before = objective(w, q, h);
        double first = 0, last = 0;
        for (const double f : before) first += f;
        for (int round = 0; round < 3; ++round) {
            Threads threads(2);
            const auto moves = descend(w.view(), h.view(), kAdded, 1, q, threads);
            const auto after = objective(w, q, h);
            last = 0;
            for (std::size_t r = 0; r < after.size(); ++r) {
                EXPECT_LE(after[r], before[r] * (1 + 1e-12)) << quantizer << " row " << r;
                last += after[r];
            }
            EXPECT_TRUE(round > 0 || moves.codes > 0);
            before = after;
        }
        const bool coarse = scheme().element_bits() == 4;
        EXPECT_LT(last, (coarse ? .99 : 1) * first) << quantizer;
    }
}

TEST_P(Descent, EndsWhereNoCodeLowersTheError) {
    QTensor q = start("gptq");
    Threads threads(2);
    descend(w.view(), h.view(), kAdded, 100, q, threads);
    const auto codes = q.codes.values;
    const auto moves = descend(w.view(), h.view(), kAdded, 1, q, threads);
    EXPECT_EQ(moves.codes + moves.scales, 0);
    EXPECT_EQ(q.codes.values, codes);

    const auto g = gradient_of(errors_of(w, q), h);
    const int values = 1 << scheme().element_bits();
    for (std::int64_t r = 0; r < kOut; ++r) {
        for (std::int64_t c = 0; c < kIn; ++c) {
            const std::int64_t group = c / scheme().group_of(kIn);
            const float unit = step(scheme().family, q.scales.bits(r, group), q.scales.divisor);
            const float now = decode_element(scheme().family, q.code(r, c));
            const double curvature = static_cast<double>(h(c, c)) + kAdded;
            for (int code = 0; code < values; ++code) {
                const float value =
                    decode_element(scheme().family, static_cast<std::uint8_t>(code));
                if (!std::isfinite(value)) continue;
                const double d = static_cast<double>(value - now) * static_cast<double>(unit);
                EXPECT_GE(2 * d * g(r, c) + d * d * curvature, -.01 * d * d * curvature);
            }
        }
    }
}

TEST_P(Descent, BitsDoNotDependOnThreads) {
    QTensor one = start("gptq"), three = one;
    Threads a(1), b(3);
    descend(w.view(), h.view(), kAdded, 4, one, a);
    descend(w.view(), h.view(), kAdded, 4, three, b);
    EXPECT_EQ(one.codes.values, three.codes.values);
    EXPECT_EQ(one.scales.bits.values, three.scales.bits.values);
}

}  // namespace hb
