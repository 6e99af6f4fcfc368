// SPDX-License-Identifier: Apache-2.0
// What a rounding costs: |D|^2 against |W|^2, and tr(D H D^T) against tr(W H W^T), for D = W' - W
// and H without damping. A strip of rows of D and the same rows of W lie transposed side by side. H
// is symmetric, so a panel of its columns needs only the rows above it, counted twice, and its own
// square on the diagonal: in^2 flops a row and a matrix. Products are fp32, sums over them fp64 in
// a fixed order.
#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "quantizers/product.hpp"
#include "quantizers/quantizer.hpp"
#include "quantizers/site.hpp"

namespace hb {
namespace {

constexpr std::int64_t kLanes = 64, kPanel = 128;

struct Sums {
    double error = 0, weight = 0;
    Sums& operator+=(const Sums& other) {
        error += other.error;
        weight += other.weight;
        return *this;
    }
};

struct StripSums {
    Sums squares, outputs;  // |X|^2, tr(X H X^T)
};

Matrix<float> side_by_side(View<const float> w, const Matrix<float>& rounded) {
    Matrix<float> x(w.cols, 2 * kLanes);  // lanes 0..63: D^T; 64..127: W^T
    for (std::int64_t r = 0; r < w.rows; ++r) {
        for (std::int64_t c = 0; c < w.cols; ++c) {
            x(c, r) = rounded(r, c) - w(r, c);
            x(c, kLanes + r) = w(r, c);
        }
    }
    return x;
}

Sums dot(View<const float> a, View<const float> b) {
    double lanes[2 * kLanes] = {};
    for (std::int64_t r = 0; r < a.rows; ++r) {
        const float *x = a.row(r), *y = b.row(r);
        for (std::int64_t i = 0; i < 2 * kLanes; ++i) {
            lanes[i] = std::fma(static_cast<double>(x[i]), static_cast<double>(y[i]), lanes[i]);
        }
    }
    Sums sums;
    for (std::int64_t i = 0; i < kLanes; ++i) sums += {lanes[i], lanes[kLanes + i]};
    return sums;
}

Sums outputs(View<const float> x, View<const float> h) {
    Sums sums;
    for (std::int64_t at = 0; at < h.cols; at += kPanel) {
        const std::int64_t width = std::min(kPanel, h.cols - at);
        const View<const float> above{h.data + at, at, width, h.stride};
        const View<const float> square{&h(at, at), width, width, h.stride};
        Matrix<float> product(width, 2 * kLanes);
        add_product(2, above, x.middle_rows(0, at), product.view());
        add_product(1, square, x.middle_rows(at, width), product.view());
        sums += dot(product.view(), x.middle_rows(at, width));
    }
    return sums;
}

double ratio(const Sums& sums) {
    return sums.weight > 0 ? std::max(sums.error, 0.0) / sums.weight : 0;
}

}  // namespace

void measure(View<const float> w, const QTensor& q, View<const float> hessian, Threads& threads,
             LinearReport& report) {
    if (q.rows != w.rows || q.cols != w.cols) {
        fail("measure: the codes are {} x {}, the weight is {} x {}", q.rows, q.cols, w.rows,
             w.cols);
    }
    if (hessian.rows > 0 && (hessian.rows != w.cols || hessian.cols != w.cols)) {
        fail("measure: the Hessian is {} x {}; wanted {} x {}", hessian.rows, hessian.cols, w.cols,
             w.cols);
    }
    const auto strips = cut_into_strips(std::span(&w, 1), kLanes);
    std::vector<StripSums> parts(strips.size());
    threads.loop(std::ssize(strips), [&](std::int64_t s, int) {
        const auto [weight, first, rows] = strips[static_cast<std::size_t>(s)];
        const auto x =
            side_by_side(w.middle_rows(first, rows), dequantize(middle_rows(q, first, rows)));
        auto& part = parts[static_cast<std::size_t>(s)];
        part.squares = dot(x.view(), x.view());
        if (hessian.rows > 0) part.outputs = outputs(x.view(), hessian);
    });
    StripSums total;
    for (const auto& part : parts) {
        total.squares += part.squares;
        total.outputs += part.outputs;
    }
    report.weight_mse = ratio(total.squares);
    report.output_error = ratio(total.outputs);
}

}  // namespace hb
