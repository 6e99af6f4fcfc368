// SPDX-License-Identifier: Apache-2.0
#include "quantizers/cholesky.hpp"

#include <algorithm>
#include <cmath>

#include "quantizers/product.hpp"

namespace hb {
namespace {

constexpr std::int64_t kBand = 128, kSmallBand = 16;

View<double> block(View<double> a, std::int64_t r, std::int64_t c, std::int64_t rows,
                   std::int64_t cols) {
    return {a.data + r * a.stride + c, rows, cols, a.stride};
}

// row -= factor * above
void subtract_row(double factor, const double* __restrict above, double* __restrict row,
                  std::int64_t n) {
    for (std::int64_t c = 0; c < n; ++c) row[c] = std::fma(-factor, above[c], row[c]);
}

bool factor_small(View<double> a, std::span<const double> floors) {
    for (std::int64_t k = 0; k < a.rows; ++k) {
        double* row = a.row(k);
        if (!(row[k] > floors[static_cast<std::size_t>(k)])) return false;
        row[k] = std::sqrt(row[k]);
        for (std::int64_t c = k + 1; c < a.cols; ++c) row[c] /= row[k];
        for (std::int64_t i = k + 1; i < a.rows; ++i) {
            subtract_row(row[i], row + i, a.row(i) + i, a.cols - i);
        }
    }
    return true;
}

// x := R^-T x
void solve_small(View<const double> r, View<double> x) {
    for (std::int64_t k = 0; k < x.rows; ++k) {
        for (std::int64_t c = 0; c < x.cols; ++c) x(k, c) /= r(k, k);
        for (std::int64_t i = k + 1; i < x.rows; ++i)
            subtract_row(r(k, i), x.row(k), x.row(i), x.cols);
    }
}

void solve_band(View<double> r, View<double> x) {
    for (std::int64_t at = 0; at < r.rows; at += kSmallBand) {
        const std::int64_t size = std::min(kSmallBand, r.rows - at), next = at + size;
        const auto solved = x.middle_rows(at, size);
        solve_small(block(r, at, at, size, size), solved);
        add_product(-1.0, block(r, at, next, size, r.rows - next), solved,
                    x.middle_rows(next, r.rows - next));
    }
}

bool factor_band(View<double> a, std::span<const double> floors) {
    for (std::int64_t at = 0; at < a.rows; at += kSmallBand) {
        const std::int64_t size = std::min(kSmallBand, a.rows - at), next = at + size;
        const std::int64_t rest = a.rows - next;
        const auto square = block(a, at, at, size, size);
        if (!factor_small(square, floors.subspan(static_cast<std::size_t>(at)))) return false;
        const auto right = block(a, at, next, size, rest);
        solve_small(square, right);
        add_product(-1.0, right, right, block(a, next, next, rest, rest));
    }
    return true;
}

}  // namespace

bool cholesky(View<double> a, std::span<const double> floors, Threads& threads) {
    const std::int64_t n = a.rows;
    for (std::int64_t at = 0; at < n; at += kBand) {
        const std::int64_t size = std::min(kBand, n - at), next = at + size;
        const auto square = block(a, at, at, size, size);
        if (!factor_band(square, floors.subspan(static_cast<std::size_t>(at)))) return false;
        const std::int64_t strips = (n - next + kBand - 1) / kBand;
        const auto strip = [&](std::int64_t row, std::int64_t s, std::int64_t rows) {
            const std::int64_t c = next + s * kBand;
            return block(a, row, c, rows, std::min(kBand, n - c));
        };
        threads.loop(strips, [&](std::int64_t s, int) { solve_band(square, strip(at, s, size)); });
        threads.loop(strips, [&](std::int64_t s, int) {
            const std::int64_t last = strips - 1 - s;  // the longest first
            const auto right = strip(at, last, size);
            const std::int64_t rows = last * kBand + right.cols;
            add_product(-1.0, block(a, at, next, size, rows), right, strip(next, last, rows));
        });
    }
    return true;
}

}  // namespace hb
