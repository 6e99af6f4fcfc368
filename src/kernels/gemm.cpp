// SPDX-License-Identifier: Apache-2.0
// Products cut into tasks of up to 192 rows by 256 columns. Which cut is taken changes no bit:
// every output is one dot product. Epilogue: c = c + alpha acc (when adding), then + bias, each
// rounded once.
#include <algorithm>
#include <chrono>
#include <limits>

#include "core/error.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

std::int64_t divide_up(std::int64_t a, std::int64_t b) {
    return (a + b - 1) / b;
}

// Rows and panels of a task: large, but several tasks a thread.
struct Cut {
    std::int64_t rows, panels;
};

Cut choose_cut(std::int64_t rows, std::int64_t panels, int threads) {
    Cut cut{std::min<std::int64_t>(rows, kTileRows), std::min<std::int64_t>(panels, kTilePanels)};
    const auto tasks = [&] { return divide_up(rows, cut.rows) * divide_up(panels, cut.panels); };
    while (threads > 1 && tasks() < 6 * threads) {
        if (cut.rows > 96)
            cut.rows = 96;
        else if (cut.panels > 4)
            cut.panels = divide_up(cut.panels, 4) * 2;
        else if (cut.rows > 48)
            cut.rows = 48;
        else
            break;
    }
    const std::int64_t across = divide_up(panels, cut.panels);
    cut.panels = std::min(panels, divide_up(panels, 2 * across) * 2);
    return cut;
}

struct Epilogue {
    float alpha;
    const float* bias;
    bool add;
};

// c = acc finished; acc may be c itself
void finish(const float* acc, std::int64_t n, const Epilogue& e, const float* bias, float* c) {
    if (e.add) {
        for (std::int64_t i = 0; i < n; ++i) c[i] = c[i] + e.alpha * acc[i];
    } else if (e.alpha != 1 || acc != c) {
        for (std::int64_t i = 0; i < n; ++i) c[i] = e.alpha * acc[i];
    }
    if (bias) {
        for (std::int64_t i = 0; i < n; ++i) c[i] = c[i] + bias[i];
    }
}

Multiply describe(const Operand& a, const PackedMatrix& b, std::int64_t row, std::int64_t rows,
                  std::int64_t panel, std::int64_t panels) {
    Multiply m;
    m.a_stride = a.padded_k();
    m.blocks = m.a_stride / kBlock;
    m.b_stride = m.blocks * kTile;
    if (a.precision == Precision::bf16)
        m.narrow_a = a.narrow.data() + row * m.a_stride;
    else
        m.wide_a = a.wide.data() + row * m.a_stride;
    if (b.precision == Precision::bf16)
        m.narrow_b = b.narrow.data() + panel * m.b_stride;
    else
        m.wide_b = b.wide.data() + panel * m.b_stride;
    m.rows = static_cast<int>(rows);
    m.panels = static_cast<int>(panels);
    return m;
}

void run(const Kernels& kernels, Multiply& m, View<float> c, std::int64_t row, std::int64_t first,
         const Epilogue& e, float* acc, std::int64_t acc_stride) {
    m.c = acc;
    m.c_stride = acc_stride;
    kernels.multiply(m);
    const std::int64_t columns = std::min<std::int64_t>(c.cols - first, 16 * m.panels);
    for (std::int64_t r = 0; r < m.rows; ++r) {
        finish(acc + r * acc_stride, columns, e, e.bias ? e.bias + first : nullptr,
               c.row(row + r) + first);
    }
}

// Sums grow in c itself, unless c must be kept or ends inside a panel.
void gemm_task(const Kernels& kernels, Multiply m, View<float> c, const Epilogue& e,
               std::int64_t row, std::int64_t first) {
    if (!e.add && first + 16 * m.panels <= c.cols) {
        run(kernels, m, c, row, first, e, c.row(row) + first, c.stride);
    } else {
        alignas(64) float acc[kTileRows * kTilePanels * 16];
        run(kernels, m, c, row, first, e, acc, 16 * m.panels);
    }
}

}  // namespace

void gemm(const Kernels& kernels, Threads& threads, const Operand& a, const PackedMatrix& b,
          View<float> c, float alpha, const float* bias, bool add) {
    if (a.k < 1 || a.k != b.k || c.rows != a.rows || c.cols != b.n) {
        fail("a product of ({}, {}) and ({}, {}) into ({}, {})", a.rows, a.k, b.n, b.k, c.rows,
             c.cols);
    }
    if (a.rows == 0 || b.n == 0) return;
    const std::int64_t panels = divide_up(b.n, 16);
    const Cut cut = choose_cut(a.rows, panels, threads.count());
    const std::int64_t down = divide_up(a.rows, cut.rows), across = divide_up(panels, cut.panels);
    threads.loop(down * across, [&](std::int64_t i, int) {
        const std::int64_t row = i / across * cut.rows, panel = i % across * cut.panels;
        const Multiply m = describe(a, b, row, std::min(cut.rows, a.rows - row), panel,
                                    std::min(cut.panels, panels - panel));
        gemm_task(kernels, m, c, {alpha, bias, add}, row, 16 * panel);
    });
}

double measured_gflops(const Kernels& kernels, Threads& threads, std::int64_t rows, std::int64_t n,
                       std::int64_t k) {
    Operand a{rows, k, Precision::bf16, {}, {}};
    a.narrow.assign(static_cast<std::size_t>(rows * a.padded_k()), 0x3f80);
    PackedMatrix b{n, k, Precision::bf16, {}, {}};
    b.narrow.assign(static_cast<std::size_t>(divide_up(n, 16) * 16 * a.padded_k()), 0x3f80);
    Matrix<float> c(rows, n);
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 4; ++i) {
        const auto start = std::chrono::steady_clock::now();
        gemm(kernels, threads, a, b, c.view());
        best = std::min(
            best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return 2e-9 * static_cast<double>(rows) * static_cast<double>(n) * static_cast<double>(k) /
           best;
}

}  // namespace hb
