// SPDX-License-Identifier: Apache-2.0
#include "quantizers/site.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace hb {
namespace {

template <class T>
Matrix<T> copy_rows(const Matrix<T>& m, std::int64_t first, std::int64_t count) {
    Matrix<T> part(count, m.cols);
    std::copy(m.row(first), m.row(first) + count * m.cols, part.values.begin());
    return part;
}

}  // namespace

void check_site(std::string_view quantizer, const SiteProblem& problem) {
    if (problem.scheme == nullptr || problem.scales.size() != problem.weights.size()) {
        fail("{}: a site of {} weights came with {} sets of scales{}", quantizer,
             problem.weights.size(), problem.scales.size(),
             problem.scheme == nullptr ? " and no scheme" : "");
    }
    const Scheme& scheme = *problem.scheme;
    for (std::size_t i = 0; i < problem.weights.size(); ++i) {
        const auto& w = problem.weights[i];
        const auto& scales = problem.scales[i].bits;
        if (w.cols <= 0 || !scheme.divides(w.cols)) {
            fail(
                "{}: weight {} of the site has {} columns, which do not divide into the groups of "
                "{} "
                "of {}; choose another scheme",
                quantizer, i, w.cols, scheme.group, scheme.name);
        }
        if (w.cols != problem.weights[0].cols) {
            fail("{}: weight {} of the site has {} columns, weight 0 has {}; they read one input",
                 quantizer, i, w.cols, problem.weights[0].cols);
        }
        if (scales.rows != w.rows || scales.cols != scheme.groups(w.cols)) {
            fail("{}: the scales of weight {} are {} x {}; wanted {} x {}", quantizer, i,
                 scales.rows, scales.cols, w.rows, scheme.groups(w.cols));
        }
        const auto& zeros = problem.scales[i].zeros;
        if (scheme.zero_points() && (zeros.rows != scales.rows || zeros.cols != scales.cols)) {
            fail("{}: the zero points of weight {} are {} x {}; wanted {} x {} as its scales",
                 quantizer, i, zeros.rows, zeros.cols, scales.rows, scales.cols);
        }
    }
}

std::vector<Strip> cut_into_strips(std::span<const View<const float>> weights,
                                   std::int64_t height) {
    std::vector<Strip> strips;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        for (std::int64_t r = 0; r < weights[i].rows; r += height) {
            strips.push_back({i, r, std::min(height, weights[i].rows - r)});
        }
    }
    return strips;
}

QTensor middle_rows(const QTensor& q, std::int64_t first, std::int64_t count) {
    return {q.scheme, count, q.cols, copy_rows(q.codes, first, count),
            middle_rows(q.scales, first, count)};
}

}  // namespace hb
