// SPDX-License-Identifier: Apache-2.0
// In fp64: H + lambda I = R^T R, then R^T Y = D^T W^T and R Z = Y for a strip of rows of W at a
// time, by bands of R. A row's bits do not depend on its strip.
#include "quantizers/target.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "core/zero_matrix.hpp"
#include "quantizers/cholesky.hpp"
#include "quantizers/product.hpp"

namespace hb {
namespace {

constexpr int kTries = 8;
constexpr double kNextDamping = 3, kSmallestRetry = 1e-4;
constexpr double kPivotFloor = 0x1p-24;
constexpr std::int64_t kLanes = 64, kBand = 64;

View<const double> part(const ZeroMatrix<double>& m, std::int64_t row, std::int64_t col,
                        std::int64_t rows, std::int64_t cols) {
    return {&m(row, col), rows, cols, m.cols};
}

ZeroMatrix<double> factor(View<const float> h, double damping, Threads& threads) {
    double trace = 0;
    std::int64_t live = 0;
    for (std::int64_t i = 0; i < h.rows; ++i) {
        trace += static_cast<double>(h(i, i));
        live += h(i, i) > 0;
    }
    const double mean = live > 0 ? trace / static_cast<double>(live) : 1;
    ZeroMatrix<double> r(h.rows, h.rows);
    std::vector<double> floors(static_cast<std::size_t>(h.rows));
    for (int attempt = 0; attempt < kTries; ++attempt) {
        threads.loop(h.rows, [&](std::int64_t i, int) {
            for (std::int64_t j = i; j < h.rows; ++j) r(i, j) = static_cast<double>(h(i, j));
            r(i, i) += h(i, i) > 0 ? damping * mean : 1;
            floors[static_cast<std::size_t>(i)] = kPivotFloor * r(i, i);
        });
        if (cholesky(r.view(), floors, threads)) return r;
        damping = std::max(kNextDamping * damping, kSmallestRetry);
    }
    fail("the Hessian ({} columns) cannot be factored; calibrate with more text", h.rows);
}

void subtract(double x, const double* from, double* to) {
    for (std::int64_t l = 0; l < kLanes; ++l) to[l] = std::fma(-x, from[l], to[l]);
}

void divide(double by, double* x) {
    for (std::int64_t l = 0; l < kLanes; ++l) x[l] /= by;
}

// R^T Y = B, in place
void solve_down(const ZeroMatrix<double>& r, View<double> b) {
    for (std::int64_t at = 0; at < r.rows; at += kBand) {
        const std::int64_t size = std::min(kBand, r.rows - at), next = at + size;
        for (std::int64_t k = at; k < next; ++k) {
            divide(r(k, k), b.row(k));
            for (std::int64_t i = k + 1; i < next; ++i) subtract(r(k, i), b.row(k), b.row(i));
        }
        add_product(-1.0, part(r, at, next, size, r.rows - next), b.middle_rows(at, size),
                    b.middle_rows(next, r.rows - next));
    }
}

// R Z = Y, in place
void solve_up(const ZeroMatrix<double>& r, View<double> y) {
    Matrix<double> across(kBand, kBand);
    for (std::int64_t end = r.rows; end > 0; end = (end - 1) / kBand * kBand) {
        const std::int64_t at = (end - 1) / kBand * kBand;
        for (std::int64_t k = end - 1; k >= at; --k) {
            for (std::int64_t j = k + 1; j < end; ++j) subtract(r(k, j), y.row(j), y.row(k));
            divide(r(k, k), y.row(k));
        }
        for (std::int64_t i = 0; i < at; i += kBand) {
            for (std::int64_t k = i; k < i + kBand; ++k)
                for (std::int64_t j = at; j < end; ++j) across(j - at, k - i) = r(k, j);
            add_product(-1.0, View<const double>{across.row(0), end - at, kBand, kBand},
                        y.middle_rows(at, end - at), y.middle_rows(i, kBand));
        }
    }
}

}  // namespace

Matrix<float> shifted_target(View<const float> w, View<const float> hessian,
                             View<const float> shift, double damping, Threads& threads) {
    const std::int64_t in = w.cols;
    if (hessian.rows != in || hessian.cols != in || shift.rows != in || shift.cols != in)
        fail("a weight of {} columns came with a Hessian of {} x {} and a shift of {} x {}", in,
             hessian.rows, hessian.cols, shift.rows, shift.cols);
    const ZeroMatrix<double> r = factor(hessian, damping, threads);
    Matrix<double> d(in, in);
    for (std::int64_t i = 0; i < in; ++i)
        for (std::int64_t j = 0; j < in; ++j) d(i, j) = static_cast<double>(shift(i, j));
    Matrix<float> target(w.rows, in);
    threads.loop((w.rows + kLanes - 1) / kLanes, [&](std::int64_t s, int) {
        const std::int64_t first = s * kLanes, rows = std::min(kLanes, w.rows - first);
        Matrix<double> x(in, kLanes), z(in, kLanes);
        for (std::int64_t l = 0; l < rows; ++l)
            for (std::int64_t c = 0; c < in; ++c) x(c, l) = static_cast<double>(w(first + l, c));
        add_product(1.0, d.view(), x.view(), z.view());
        solve_down(r, z.view());
        solve_up(r, z.view());
        for (std::int64_t l = 0; l < rows; ++l)
            for (std::int64_t c = 0; c < in; ++c)
                target(first + l, c) = static_cast<float>(x(c, l) + z(c, l));
    });
    return target;
}

}  // namespace hb
