// SPDX-License-Identifier: Apache-2.0
// H + damping * mean(diag H) is tried at the damping asked for, then at three times that, and so
// on: a failure is recorded, never hidden.
#include "quantizers/gptq_factor.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"
#include "quantizers/cholesky.hpp"

namespace hb {
namespace {

constexpr int kTries = 8;
constexpr double kNextDamping = 3, kSmallestRetry = 1e-4;
constexpr double kPivotFloor = 0x1p-24;  // H is fp32: a pivot below its rounding is noise

void check(View<const float> h, double damping, Threads& threads) {
    if (h.rows == 0 || h.rows != h.cols) {
        fail("gptq: the Hessian is {} x {}; wanted a square matrix", h.rows, h.cols);
    }
    if (!(damping >= 0 && std::isfinite(damping))) {
        fail("gptq: the damping is {}; wanted a finite number that is not negative", damping);
    }
    threads.loop(h.rows, [&](std::int64_t r, int) {
        const float* row = h.row(r);
        for (std::int64_t c = 0; c < h.cols; ++c) {
            if (!std::isfinite(row[c])) {
                fail("gptq: the Hessian holds {} in row {}, column {}; an activation overflowed",
                     row[c], r, c);
            }
        }
        if (row[r] < 0) {
            fail(
                "gptq: the Hessian's diagonal holds {} in row {}; a sum of squares is never "
                "negative",
                row[r], r);
        }
    });
}

// Groups by the mean of their diag H, columns of a group by their own.
std::vector<std::int64_t> solving_order(View<const float> h, bool by_diagonal, std::int64_t group) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(h.rows));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    if (!by_diagonal) return order;
    std::vector<double> sums(static_cast<std::size_t>(h.rows / group));
    for (std::int64_t j = 0; j < h.rows; ++j)
        sums[static_cast<std::size_t>(j / group)] += static_cast<double>(h(j, j));
    const auto sum = [&](std::int64_t j) { return sums[static_cast<std::size_t>(j / group)]; };
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        if (a / group == b / group) return h(a, a) > h(b, b);
        return sum(a) != sum(b) ? sum(a) > sum(b) : a / group < b / group;
    });
    return order;
}

// H with `added` on the diagonal, in reversed solving order; a dead column is a unit vector.
void fill(View<double> a, View<const float> h, const std::vector<std::int64_t>& order, double added,
          Threads& threads) {
    const auto column = [&](std::int64_t r) {
        return order[static_cast<std::size_t>(a.rows - 1 - r)];
    };
    threads.loop(a.rows, [&](std::int64_t r, int) {
        const std::int64_t i = column(r);
        const bool dead = h(i, i) == 0;
        a(r, r) = dead ? 1.0 : static_cast<double>(h(i, i)) + added;
        for (std::int64_t c = r + 1; c < a.cols; ++c) {
            const std::int64_t j = column(c);
            a(r, c) = dead || h(j, j) == 0 ? 0.0 : static_cast<double>(h(i, j));
        }
    });
}

// V = J R^T J, J the reversal
ZeroMatrix<float> push_matrix(View<const double> r, Threads& threads) {
    constexpr std::int64_t kBlock = 64;
    const std::int64_t n = r.rows;
    ZeroMatrix<float> push(n, n);
    threads.loop((n + kBlock - 1) / kBlock, [&](std::int64_t b, int) {
        const std::int64_t first = b * kBlock, last = std::min(n, first + kBlock);
        for (std::int64_t j = first + 1; j < n; ++j) {
            const double* row = r.row(n - 1 - j);
            const double pivot = row[n - 1 - j];
            for (std::int64_t i = first; i < std::min(last, j); ++i) {
                push(i, j) = static_cast<float>(row[n - 1 - i] / pivot);
            }
        }
    });
    return push;
}

std::vector<double> pivot_floors(View<const double> a) {
    std::vector<double> floors(static_cast<std::size_t>(a.rows));
    for (std::int64_t r = 0; r < a.rows; ++r) {
        floors[static_cast<std::size_t>(r)] = kPivotFloor * a(r, r);
    }
    return floors;
}

}  // namespace

GptqFactor factor_hessian(View<const float> h, const QuantizerOptions& options, Threads& threads,
                          std::int64_t group) {
    check(h, options.damping, threads);
    GptqFactor factor;
    factor.order = solving_order(h, options.activation_order, group);
    double trace = 0;
    for (std::int64_t j = 0; j < h.rows; ++j) {
        trace += static_cast<double>(h(j, j));
        factor.dead_columns += h(j, j) == 0;
    }
    const std::int64_t live = h.rows - factor.dead_columns;
    if (live == 0) {
        fail(
            "gptq: the Hessian is all zero ({} columns): no calibration row reached this input; "
            "calibrate with more text, or use the quantizer rtn",
            h.rows);
    }
    ZeroMatrix<double> a(h.rows, h.rows);  // its upper triangle
    factor.damping = options.damping;
    for (int attempt = 0; attempt < kTries; ++attempt) {
        factor.added = factor.damping * trace / static_cast<double>(live);
        fill(a.view(), h, factor.order, factor.added, threads);
        const auto floors = pivot_floors(a.view());
        if (cholesky(a.view(), floors, threads)) {
            factor.push = push_matrix(a.view(), threads);
            for (std::int64_t i = h.rows - 1; i >= 0; --i)
                factor.pivots.push_back(static_cast<float>(a(i, i) * a(i, i)));
            return factor;
        }
        factor.failed_dampings.push_back(factor.damping);
        factor.damping = std::max(kNextDamping * factor.damping, kSmallestRetry);
    }
    fail(
        "gptq: the Hessian ({} columns) cannot be factored at dampings {} to {}; calibrate with "
        "more "
        "text, or ask for a larger damping",
        h.rows, factor.failed_dampings.front(), factor.failed_dampings.back());
}

}  // namespace hb
