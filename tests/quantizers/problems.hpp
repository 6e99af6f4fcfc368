// SPDX-License-Identifier: Apache-2.0
// Small random sites: normal weights, activations that are correlated and unequally large.
#pragma once

#include <cmath>
#include <string_view>
#include <vector>

#include "core/random.hpp"
#include "quantizers/quantizer.hpp"
#include "schemes/scale_rule.hpp"

namespace hb::test {

inline Matrix<float> random_matrix(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
    Matrix<float> m(rows, cols);
    Random random{seed};
    for (auto& x : m.values) x = random.normal();
    return m;
}

// sum of x^T x over samples x = (a few common causes + own noise) * a size by column
inline Matrix<float> random_hessian(std::int64_t n, std::int64_t samples, std::uint64_t seed) {
    constexpr std::int64_t kCauses = 6;
    const auto mix = random_matrix(kCauses, n, seed),
               causes = random_matrix(samples, kCauses, seed + 1),
               noise = random_matrix(samples, n, seed + 2), size = random_matrix(1, n, seed + 3);
    Matrix<double> x(samples, n), sum(n, n);
    for (std::int64_t s = 0; s < samples; ++s) {
        for (std::int64_t c = 0; c < n; ++c) {
            double value = 0.5 * noise(s, c);
            for (std::int64_t k = 0; k < kCauses; ++k) value += causes(s, k) * mix(k, c);
            x(s, c) = value * std::exp(0.7 * size(0, c));
        }
        for (std::int64_t i = 0; i < n; ++i) {
            for (std::int64_t j = 0; j < n; ++j) sum(i, j) += x(s, i) * x(s, j);
        }
    }
    Matrix<float> h(n, n);
    for (std::size_t i = 0; i < h.values.size(); ++i)
        h.values[i] = static_cast<float>(sum.values[i]);
    return h;
}

inline Matrix<float> identity(std::int64_t n) {
    Matrix<float> h(n, n);
    for (std::int64_t i = 0; i < n; ++i) h(i, i) = 1;
    return h;
}

inline std::string_view plain_rule(const Scheme& scheme) {
    return scheme.family == Family::mx ? "ceil7.25" : scheme.zero_points() ? "minmax" : "absmax";
}

// Borrows the weights and h.
inline SiteProblem make_problem(const std::vector<Matrix<float>>& weights, const Matrix<float>& h,
                                const Scheme& scheme) {
    SiteProblem problem;
    Threads one(1);
    for (const auto& w : weights) problem.weights.push_back(w.view());
    problem.hessian = h.view();
    problem.scheme = &scheme;
    problem.scales = choose_scales(problem.weights, {}, scheme,
                                   find_scale_rule(plain_rule(scheme), scheme.family), one);
    return problem;
}

inline std::vector<LinearResult> run(std::string_view quantizer, const SiteProblem& problem,
                                     int threads = 1) {
    Threads pool(threads);
    return find_quantizer(quantizer).run(problem, pool);
}

inline std::string message_of(std::string_view quantizer, const SiteProblem& problem) {
    try {
        run(quantizer, problem);
    } catch (const std::exception& e) {
        return e.what();
    }
    return "nothing was thrown";
}

}  // namespace hb::test
