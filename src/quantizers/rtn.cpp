// SPDX-License-Identifier: Apache-2.0
#include "quantizers/rtn.hpp"

#include <algorithm>
#include <chrono>

#include "quantizers/site.hpp"

namespace hb {
namespace {

constexpr std::int64_t kStripRows = 64;

QTensor round_matrix(View<const float> w, const Scheme& scheme, const Scales& scales,
                     Threads& threads) {
    QTensor q = make_qtensor(scheme, w.rows, w.cols, scales);
    const auto strips = cut_into_strips(std::span(&w, 1), kStripRows);
    threads.loop(std::ssize(strips), [&](std::int64_t s, int) {
        const auto [weight, first, rows] = strips[static_cast<std::size_t>(s)];
        const auto part =
            quantize(w.middle_rows(first, rows), scheme, middle_rows(scales, first, rows));
        std::copy(part.codes.values.begin(), part.codes.values.end(), q.codes.row(first));
    });
    return q;
}

}  // namespace

std::vector<LinearResult> run_rtn(const SiteProblem& problem, Threads& threads) {
    check_site("rtn", problem);
    std::vector<LinearResult> results;
    for (std::size_t i = 0; i < problem.weights.size(); ++i) {
        const auto start = std::chrono::steady_clock::now();
        LinearResult result{
            round_matrix(problem.weights[i], *problem.scheme, problem.scales[i], threads), {}};
        result.report.seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        measure(problem.weights[i], result.weight, problem.hessian, threads, result.report);
        results.push_back(std::move(result));
    }
    return results;
}

}  // namespace hb
