// SPDX-License-Identifier: Apache-2.0
// Row-wise tasks over all rows of a matrix.
#include <algorithm>

#include "core/error.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

constexpr std::int64_t kRowsATask = 8;

// body(row) for every row, several rows a task
template <class Body>
void each_row(Threads& threads, std::int64_t rows, Body body) {
    threads.loop((rows + kRowsATask - 1) / kRowsATask, [&](std::int64_t i, int) {
        for (std::int64_t r = i * kRowsATask; r < std::min(rows, (i + 1) * kRowsATask); ++r)
            body(r);
    });
}

template <class A, class B>
void same_shape(const char* what, const A& a, const B& b) {
    if (a.rows != b.rows || a.cols != b.cols) {
        fail("{} of ({}, {}) and ({}, {})", what, a.rows, a.cols, b.rows, b.cols);
    }
}

}  // namespace

void rms_norm(const Kernels& kernels, Threads& threads, View<const float> x, const float* weight,
              float eps, View<float> y) {
    same_shape("a norm", x, y);
    each_row(threads, x.rows,
             [&](std::int64_t r) { kernels.rms_norm(x.row(r), weight, eps, x.cols, y.row(r)); });
}

void to_bf16(const Kernels& kernels, View<float> x, View<std::uint16_t> out) {
    same_shape("bf16", x, out);
    for (std::int64_t r = 0; r < x.rows; ++r) kernels.to_bf16(x.row(r), x.cols, out.row(r));
}

void from_bf16(const Kernels& kernels, View<const std::uint16_t> x, View<float> out) {
    same_shape("fp32", x, out);
    for (std::int64_t r = 0; r < x.rows; ++r) kernels.from_bf16(x.row(r), x.cols, out.row(r));
}

bool to_mx_codes(const Kernels& kernels, const Operand& x, std::uint8_t* out) {
    return kernels.to_mx_codes(x.narrow.data(), x.size() / kBlock, out);
}

void from_mx_codes(const Kernels& kernels, const std::uint8_t* codes, Operand& x) {
    kernels.from_mx_codes(codes, x.size() / kBlock, x.narrow.data());
}

double kl_divergence(const Kernels& kernels, const float* p, double lse_p, const float* q,
                     double lse_q, std::int64_t n) {
    return kernels.kl_divergence(p, lse_p, q, lse_q, n);
}

}  // namespace hb
