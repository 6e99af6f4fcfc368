// SPDX-License-Identifier: Apache-2.0
// What a rounding costs: |D|^2 against |W|^2, and tr(D H D^T) against tr(W H W^T), for D = W' - W
// and H without damping. H is symmetric, so a panel of its columns needs only the rows above it,
// counted twice, and its own square on the diagonal: in^2 flops a row and a matrix. Products are
// fp32; what is summed over columns and rows is fp64, in a fixed order.
#include <cblas.h>

#include <algorithm>

#include "core/error.hpp"
#include "quantizers/quantizer.hpp"
#include "quantizers/site.hpp"

namespace hb {
namespace {

constexpr std::int64_t kStripRows = 128, kPanel = 256;

struct Sums {
    double error = 0, weight = 0;                // |D|^2, |W|^2
    double error_output = 0, weight_output = 0;  // tr(D H D^T), tr(W H W^T)
};

double dot(const float* a, const float* b, std::int64_t n) {
    double lanes[8] = {};
    std::int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (int k = 0; k < 8; ++k) {
            lanes[k] += static_cast<double>(a[i + k]) * static_cast<double>(b[i + k]);
        }
    }
    double sum = 0;
    for (; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    for (const double lane : lanes) sum += lane;
    return sum;
}

double squares(View<const float> x) {
    double sum = 0;
    for (std::int64_t r = 0; r < x.rows; ++r) sum += dot(x.row(r), x.row(r), x.cols);
    return sum;
}

void multiply(View<const float> x, std::int64_t first, std::int64_t count, View<const float> h,
              std::int64_t column, float alpha, float beta, View<float> out) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(x.rows),
                static_cast<int>(out.cols), static_cast<int>(count), alpha, x.data + first,
                static_cast<int>(x.stride), &h(first, column), static_cast<int>(h.stride), beta,
                out.data, static_cast<int>(out.stride));
}

double output_energy(View<const float> x, View<const float> h) {  // tr(X H X^T)
    Matrix<float> product(x.rows, kPanel);
    double sum = 0;
    for (std::int64_t at = 0; at < h.cols; at += kPanel) {
        const std::int64_t width = std::min(kPanel, h.cols - at);
        const View<float> out{product.values.data(), x.rows, width, kPanel};
        multiply(x, at, width, h, at, 1, 0, out);
        if (at > 0) multiply(x, 0, at, h, at, 2, 1, out);
        for (std::int64_t r = 0; r < x.rows; ++r) sum += dot(out.row(r), x.row(r) + at, width);
    }
    return sum;
}

Sums measure_strip(View<const float> w, const QTensor& q, View<const float> h) {
    auto d = dequantize(q);
    for (std::int64_t r = 0; r < w.rows; ++r) {
        for (std::int64_t c = 0; c < w.cols; ++c) d(r, c) -= w(r, c);
    }
    Sums sums{squares(d.view()), squares(w), 0, 0};
    if (h.rows > 0) {
        sums.error_output = output_energy(d.view(), h);
        sums.weight_output = output_energy(w, h);
    }
    return sums;
}

double ratio(double error, double whole) {
    return whole > 0 ? std::max(error, 0.0) / whole : 0;
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
    openblas_set_num_threads(1);
    const auto strips = cut_into_strips(std::span(&w, 1), kStripRows);
    std::vector<Sums> parts(strips.size());
    threads.loop(std::ssize(strips), [&](std::int64_t s, int) {
        const auto [weight, first, rows] = strips[static_cast<std::size_t>(s)];
        parts[static_cast<std::size_t>(s)] =
            measure_strip(w.middle_rows(first, rows), middle_rows(q, first, rows), hessian);
    });
    Sums total;
    for (const auto& part : parts) {
        total.error += part.error;
        total.weight += part.weight;
        total.error_output += part.error_output;
        total.weight_output += part.weight_output;
    }
    report.weight_mse = ratio(total.error, total.weight);
    report.output_error = ratio(total.error_output, total.weight_output);
}

}  // namespace hb
