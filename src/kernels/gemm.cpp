// SPDX-License-Identifier: Apache-2.0
// Products cut into tasks of up to 256 rows by 512 columns; those of several products of one call
// are one loop of the threads. Which cut is taken changes no bit: every output is one dot product.
#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "kernels/sums.hpp"

namespace hb {

namespace {

// Rows and panels of a task: large, but several tasks a thread.
struct Cut {
    std::int64_t rows, panels;
};

Cut choose_cut(std::int64_t rows, std::int64_t panels, int threads) {
    Cut cut{std::min<std::int64_t>(rows, kTileRows), std::min<std::int64_t>(panels, kTilePanels)};
    const auto tasks = [&] { return divide_up(rows, cut.rows) * divide_up(panels, cut.panels); };
    while (threads > 1 && tasks() < 6 * threads) {
        if (cut.panels > 16)
            cut.panels = divide_up(cut.panels, 4) * 2;
        else if (cut.rows > 96)
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

// Blocks of k taken at a time, so that the left rows of a task stay in L2; few rows stay anyway.
constexpr std::int64_t kSpan = 64;

// The tasks of a product.
struct Tasks {
    const Product& p;
    Cut cut;
    std::int64_t panels, across, count;

    Tasks(const Product& product, int threads)
        : p(product),
          cut(choose_cut(p.a.rows, divide_up(p.b.n, 16), threads)),
          panels(divide_up(p.b.n, 16)),
          across(divide_up(panels, cut.panels)),
          count(divide_up(p.a.rows, cut.rows) * across) {
        check_product(p.a, p.b, p.c.rows, p.c.cols);
    }
};

void finish_columns(const Kernels& kernels, const Product& p, const Sums& sums, std::int64_t row,
                    std::int64_t column, std::int64_t width) {
    Finish done{.c = p.c.row(row) + column, .c_stride = p.c.stride, .rows = sums.rows};
    done.alpha = p.alpha;
    done.bias = p.bias ? p.bias + column : nullptr;
    done.add = p.add;
    take_scales(done, p.a, p.b, row, column);
    finish_chunks(kernels, sums, done, std::min(p.c.cols - column, width));
}

// A task's sums grow in a buffer and not in c, whose rows may lie a power of two apart; they are as
// wide as the kernels like a product to be, and finished while they are in L1.
void run_task(const Kernels& kernels, const Tasks& tasks, std::int64_t i) {
    alignas(64) float acc[kTileRows * kTilePanels * 16];
    const auto& [p, cut, panels, across, count] = tasks;
    const bool narrow = p.a.precision == Precision::bf16 && p.a.rows > 2;
    const std::int64_t step = narrow && p.b.coding == Coding::none ? kernels.panels : kTilePanels;
    const std::int64_t row = i / across * cut.rows, rows = std::min(cut.rows, p.a.rows - row);
    const std::int64_t first = i % across * cut.panels, end = std::min(first + cut.panels, panels);
    const std::int64_t blocks = p.a.padded_k() / kBlock,
                       span = p.a.rows <= kFewRows ? blocks : kSpan;
    for (std::int64_t block = 0; block < blocks; block += span) {
        for (std::int64_t panel = first; panel < end; panel += step) {
            const std::int64_t width = 16 * std::min(step, end - panel);
            const Sums sums{blocks > span ? acc + (panel - first) * 16 * rows : acc, rows,
                            chunk_of(kernels, p.a, p.b, width)};
            Multiply m = left_of(p.a, row, rows);
            take_right(m, p.b, panel, width / 16);
            take_span(m, block, std::min(span, blocks - block));
            m.resume = block > 0;
            sums.take(m, 0);
            kernels.multiply(m);
            if (block + span >= blocks) finish_columns(kernels, p, sums, row, 16 * panel, width);
        }
    }
}

}  // namespace

void gemm(const Kernels& kernels, Threads& threads, std::span<const Product> products) {
    std::vector<Tasks> all;
    std::int64_t count = 0, rows = 0;
    for (const Product& p : products) {
        count += all.emplace_back(p, threads.count()).count;
        rows = std::max(rows, p.a.rows);
    }
    loop_over(threads, rows, count, [&](std::int64_t i, int) {
        auto tasks = all.begin();
        for (; i >= tasks->count; ++tasks) i -= tasks->count;
        run_task(kernels, *tasks, i);
    });
}

void gemm(const Kernels& kernels, Threads& threads, const Operand& a, const PackedMatrix& b,
          View<float> c, float alpha, const float* bias, bool add) {
    const Product product{a, b, c, alpha, bias, add};
    gemm(kernels, threads, {&product, 1});
}

double measured_gflops(const Kernels& kernels, Threads& threads, std::int64_t rows, std::int64_t n,
                       std::int64_t k) {
    Operand a{rows, k, Precision::bf16, {}, {}};
    a.narrow.assign(static_cast<std::size_t>(a.size()), 0x3f80);
    PackedMatrix b{n, k, Precision::bf16, {}, {}};
    b.narrow.assign(static_cast<std::size_t>(divide_up(n, 16) * 16 * a.padded_k()), 0x3f80);
    Matrix<float> c(rows, n);
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 2; ++i) {
        const auto start = std::chrono::steady_clock::now();
        gemm(kernels, threads, a, b, c.view());
        best = std::min(
            best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return 2e-9 * static_cast<double>(rows) * static_cast<double>(n) * static_cast<double>(k) /
           best;
}

}  // namespace hb
