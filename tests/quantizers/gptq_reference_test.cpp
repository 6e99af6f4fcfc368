// SPDX-License-Identifier: Apache-2.0
// GPTQ as its paper writes it: fp64, one column after another, an explicit inverse of H and the
// upper Cholesky factor of that. Ours takes another road to the same targets in fp32, so a code may
// differ where a target lies within rounding of a threshold; such a difference then changes the
// rest of its row, which is why a share of the codes and the total error are compared.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "quantizers/problems.hpp"

namespace hb {
namespace {

Matrix<double> inverse(Matrix<double> a) {  // Gauss-Jordan; a is positive definite
    const auto n = a.rows;
    Matrix<double> b(n, n);
    for (std::int64_t i = 0; i < n; ++i) b(i, i) = 1;
    for (std::int64_t k = 0; k < n; ++k) {
        const double pivot = a(k, k);
        for (std::int64_t c = 0; c < n; ++c) {
            a(k, c) /= pivot;
            b(k, c) /= pivot;
        }
        for (std::int64_t r = 0; r < n; ++r) {
            const double factor = a(r, k);
            if (r == k || factor == 0) continue;
            for (std::int64_t c = 0; c < n; ++c) {
                a(r, c) -= factor * a(k, c);
                b(r, c) -= factor * b(k, c);
            }
        }
    }
    return b;
}

Matrix<double> upper_factor(const Matrix<double>& a) {  // a = U^T U
    Matrix<double> u(a.rows, a.rows);
    for (std::int64_t i = 0; i < a.rows; ++i) {
        for (std::int64_t j = i; j < a.rows; ++j) {
            double sum = a(i, j);
            for (std::int64_t k = 0; k < i; ++k) sum -= u(k, i) * u(k, j);
            u(i, j) = j == i ? std::sqrt(sum) : sum / u(i, i);
        }
    }
    return u;
}

QTensor reference(const SiteProblem& problem) {
    const auto& h = problem.hessian;
    const auto& w = problem.weights[0];
    const auto& scheme = *problem.scheme;
    const auto n = h.rows;
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    if (problem.options.activation_order) {
        std::stable_sort(order.begin(), order.end(),
                         [&](auto a, auto b) { return h(a, a) > h(b, b); });
    }
    const auto at = [&](std::int64_t i) { return order[static_cast<std::size_t>(i)]; };
    double mean = 0;
    for (std::int64_t i = 0; i < n; ++i)
        mean += static_cast<double>(h(i, i)) / static_cast<double>(n);
    Matrix<double> damped(n, n);
    for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = 0; j < n; ++j) damped(i, j) = h(at(i), at(j));
        damped(i, i) += problem.options.damping * mean;
    }
    const auto u = upper_factor(inverse(damped));
    QTensor q = make_qtensor(scheme, w.rows, n, problem.scales[0]);
    for (std::int64_t r = 0; r < w.rows; ++r) {
        std::vector<double> x;
        for (std::int64_t i = 0; i < n; ++i) x.push_back(w(r, at(i)));
        for (std::int64_t i = 0; i < n; ++i) {
            const auto g = at(i) / scheme.group_of(n);
            const float unit = step(scheme.family, q.scales.bits(r, g), q.scales.divisor);
            const double zero = q.zero(r, g);
            const auto here = static_cast<std::size_t>(i);
            const auto code =
                encode_element(scheme.family, static_cast<float>(x[here] / unit + zero));
            const double value = (decode_element(scheme.family, code) - zero) * unit;
            const double error = (x[here] - value) / u(i, i);
            for (std::int64_t j = i + 1; j < n; ++j)
                x[static_cast<std::size_t>(j)] -= error * u(i, j);
            if (scheme.element_bits() == 8)
                q.codes(r, at(i)) = code;
            else
                q.codes(r, at(i) / 2) |= static_cast<std::uint8_t>(code << at(i) % 2 * 4);
        }
    }
    return q;
}

double share_of_equal_codes(const QTensor& a, const QTensor& b) {
    std::int64_t equal = 0;
    for (std::int64_t r = 0; r < a.rows; ++r) {
        for (std::int64_t c = 0; c < a.cols; ++c) equal += a.code(r, c) == b.code(r, c);
    }
    return static_cast<double>(equal) / static_cast<double>(a.rows * a.cols);
}

}  // namespace

TEST(GptqReference, SameCodesSaveForRareTies) {
    constexpr std::int64_t kOut = 48, kIn = 256;
    const std::vector weights{test::random_matrix(kOut, kIn, 1)};
    const auto h = test::random_hessian(kIn, 400, 2);
    Threads pool(2);
    for (const auto& scheme : all_schemes()) {
        for (const bool ordered : {false, true}) {
            auto problem = test::make_problem(weights, h, scheme);
            problem.options.activation_order = ordered;
            const auto ours = test::run("gptq", problem, 2)[0];
            const auto wanted = reference(problem);
            LinearReport report;
            measure(weights[0].view(), wanted, h.view(), pool, report);
            EXPECT_GE(share_of_equal_codes(ours.weight, wanted), 0.995) << scheme.name << ordered;
            EXPECT_NEAR(ours.report.output_error, report.output_error, 1e-3 * report.output_error);
        }
    }
}

}  // namespace hb
