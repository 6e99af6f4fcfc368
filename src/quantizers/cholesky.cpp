// SPDX-License-Identifier: Apache-2.0
#include "quantizers/cholesky.hpp"

#include <cblas.h>

#include <algorithm>
#include <cmath>

namespace hb {
namespace {

constexpr std::int64_t kTile = 128;

View<double> block(View<double> a, std::int64_t r, std::int64_t c, std::int64_t rows,
                   std::int64_t cols) {
    return {&a(r, c), rows, cols, a.stride};
}

bool factor_tile(View<double> a, std::span<const double> floors) {
    for (std::int64_t j = 0; j < a.rows; ++j) {
        double pivot = a(j, j);
        for (std::int64_t k = 0; k < j; ++k) pivot -= a(j, k) * a(j, k);
        if (!(pivot > floors[static_cast<std::size_t>(j)])) return false;
        a(j, j) = std::sqrt(pivot);
        for (std::int64_t i = j + 1; i < a.rows; ++i) {
            double sum = a(i, j);
            for (std::int64_t k = 0; k < j; ++k) sum -= a(i, k) * a(j, k);
            a(i, j) = sum / a(j, j);
        }
    }
    return true;
}

// X L^T = strip, in place
void solve_strip(View<double> l, View<double> strip) {
    cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit,
                static_cast<int>(strip.rows), static_cast<int>(l.rows), 1, l.data,
                static_cast<int>(l.stride), strip.data, static_cast<int>(strip.stride));
}

// c -= a b^T
void subtract_product(View<double> a, View<double> b, View<double> c) {
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(c.rows),
                static_cast<int>(c.cols), static_cast<int>(a.cols), -1, a.data,
                static_cast<int>(a.stride), b.data, static_cast<int>(b.stride), 1, c.data,
                static_cast<int>(c.stride));
}

}  // namespace

bool cholesky(View<double> a, std::span<const double> floors, Threads& threads) {
    openblas_set_num_threads(1);
    const std::int64_t n = a.rows;
    for (std::int64_t at = 0; at < n; at += kTile) {
        const std::int64_t size = std::min(kTile, n - at), next = at + size;
        const auto tile = block(a, at, at, size, size);
        if (!factor_tile(tile, floors.subspan(static_cast<std::size_t>(at)))) return false;
        const std::int64_t strips = (n - next + kTile - 1) / kTile;
        const auto height = [&](std::int64_t r) { return std::min(kTile, n - r); };
        threads.loop(strips, [&](std::int64_t s, int) {
            const std::int64_t r = next + s * kTile;
            solve_strip(tile, block(a, r, at, height(r), size));
        });
        threads.loop(strips, [&](std::int64_t s, int) {
            const std::int64_t r = next + (strips - 1 - s) * kTile;  // the longest first
            const std::int64_t cols = r + height(r) - next;
            subtract_product(block(a, r, at, height(r), size), block(a, next, at, cols, size),
                             block(a, r, next, height(r), cols));
        });
    }
    return true;
}

}  // namespace hb
