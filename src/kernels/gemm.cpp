// SPDX-License-Identifier: Apache-2.0
// Products cut into tasks of up to 192 rows by 256 columns. Which cut is taken changes no bit:
// every output is one dot product. Epilogue: c = c + alpha acc (when adding), then + bias, each
// rounded once.
#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>
#include <vector>

#include "core/error.hpp"
#include "kernels/prepare.hpp"

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

// Blocks of k taken at a time, so that the left rows of a task stay in L2.
constexpr std::int64_t kSpan = 64, kFewRows = 8;  // few rows stay there anyway

// Few rows ask for the codes of a task during the one before it.
void loop_over(Threads& threads, std::int64_t rows, std::int64_t tasks, const Threads::Body& task) {
    return rows <= kFewRows ? threads.loop_in_runs(tasks, task) : threads.loop(tasks, task);
}

constexpr std::int64_t kGateRows = 256, kGateColumns = 128, kPrepareRows = 16, kPair = 32;

// Where the sums of a task grow: columns in chunks that lie one behind the other, each with its
// rows without gaps. A tile unit visits its sums often, and likes those of two panels side by side.
struct Sums {
    float* at;
    std::int64_t rows, chunk;

    float* place(std::int64_t row, std::int64_t column) const {
        return at + column / chunk * chunk * rows + row * chunk + column % chunk;
    }
    void take(Multiply& m, std::int64_t column) const {
        m.c = place(0, column);
        m.c_stride = chunk;
        if (chunk == kPair && m.panels > 2) m.c_pair = chunk * rows;
    }
};

// The chunks of up to `width` columns.
std::int64_t chunk_of(const Kernels& kernels, const Operand& a, const PackedMatrix& b,
                      std::int64_t width) {
    const bool tiles = kernels.panels == 2 && b.precision == Precision::bf16 && a.rows > 2;
    return tiles ? kPair : width;
}

// alpha, bias and scales of `columns` columns from `column` on; c is theirs.
void finish_chunks(const Kernels& kernels, const Sums& sums, Finish end, std::int64_t columns) {
    for (std::int64_t done = 0; done < columns; done += sums.chunk) {
        Finish part = end;
        part.acc = sums.place(0, done);
        part.acc_stride = sums.chunk;
        part.c = end.c ? end.c + done : sums.place(0, done);
        part.c_stride = end.c ? end.c_stride : sums.chunk;
        part.columns = std::min(sums.chunk, columns - done);
        if (end.bias) part.bias = end.bias + done;
        if (end.column_scales) part.column_scales = end.column_scales + done;
        kernels.finish(part);
    }
}

// The columns of a factor; `width` is the buffer's. Gives the alpha that is left to multiply by.
float take_factor(const Kernels& kernels, const Factor& f, std::int64_t row, std::int64_t rows,
                  std::int64_t column, std::int64_t columns, std::int64_t width, const Sums& to) {
    const std::int64_t whole = divide_up(columns, 16) * 16;
    static_assert(kGateRows <= kTileRows);
    for (std::int64_t done = 0; done < whole; done += 16 * kTilePanels) {
        Multiply m = left_of(f.a, row, rows);
        take_right(m, f.b, (column + done) / 16,
                   std::min<std::int64_t>(kTilePanels, (whole - done) / 16));
        to.take(m, done);
        kernels.multiply(m);
    }
    const bool scaled = !f.a.scales.empty() || !f.b.scales.empty();
    if (f.bias || scaled) {
        Finish end{.rows = rows, .alpha = f.alpha};
        if (f.bias) end.bias = f.bias + column;
        take_scales(end, f.a, f.b, row, column);
        finish_chunks(kernels, to, end, columns);
    }
    for (std::int64_t r = 0; columns < width && r < rows; ++r)
        std::fill_n(to.place(r, columns), width - columns, 0.f);
    return f.bias || scaled ? 1 : f.alpha;
}

void check(const Operand& a, const PackedMatrix& b, std::int64_t rows, std::int64_t cols) {
    if (a.k < 1 || a.k != b.k || rows != a.rows || cols != b.n) {
        fail("a product of ({}, {}) and ({}, {}) into ({}, {})", a.rows, a.k, b.n, b.k, rows, cols);
    }
}

}  // namespace

// A task's sums grow in a buffer and not in c, whose rows may lie a power of two apart; they are as
// wide as the kernels like a product to be, and finished while they are in L1.
void gemm(const Kernels& kernels, Threads& threads, const Operand& a, const PackedMatrix& b,
          View<float> c, float alpha, const float* bias, bool add) {
    check(a, b, c.rows, c.cols);
    const std::int64_t panels = divide_up(b.n, 16);
    const bool coded = b.coding != Coding::none;
    const std::int64_t step =
        a.precision == Precision::bf16 && a.rows > 2 && !coded ? kernels.panels : kTilePanels;
    const Cut cut = choose_cut(a.rows, panels, threads.count());
    const std::int64_t down = divide_up(a.rows, cut.rows), across = divide_up(panels, cut.panels);
    const auto task = [&](std::int64_t i, int) {
        alignas(64) float acc[kTileRows * kTilePanels * 16];
        const std::int64_t row = i / across * cut.rows, rows = std::min(cut.rows, a.rows - row);
        const std::int64_t first = i % across * cut.panels,
                           end = std::min(first + cut.panels, panels);
        const std::int64_t blocks = a.padded_k() / kBlock,
                           span = a.rows <= kFewRows ? blocks : kSpan;
        for (std::int64_t block = 0; block < blocks; block += span) {
            for (std::int64_t panel = first; panel < end; panel += step) {
                const std::int64_t width = 16 * std::min(step, end - panel), column = 16 * panel;
                const Sums sums{blocks > span ? acc + (panel - first) * 16 * rows : acc, rows,
                                chunk_of(kernels, a, b, width)};
                Multiply m = left_of(a, row, rows);
                take_right(m, b, panel, width / 16);
                take_span(m, block, std::min(span, blocks - block));
                m.resume = block > 0;
                sums.take(m, 0);
                kernels.multiply(m);
                if (block + span < blocks) continue;
                Finish done{.c = c.row(row) + column, .c_stride = c.stride, .rows = rows};
                done.alpha = alpha;
                done.bias = bias ? bias + column : nullptr;
                done.add = add;
                take_scales(done, a, b, row, column);
                finish_chunks(kernels, sums, done, std::min(c.cols - column, width));
            }
        }
    };
    loop_over(threads, a.rows, down * across, task);
}

// Columns are taken a whole number of the transform's blocks at a time. Where a row has one scale,
// the whole row is needed to choose it, and waits in memory.
void gated_gemm(const Kernels& kernels, Threads& threads, const Factor& gate, const Factor& up,
                const Transform& t, const ActivationQuantizer* q, Operand& out, Operand* observed) {
    const std::int64_t rows = gate.a.rows, n = out.k;
    check(gate.a, gate.b, rows, n);
    check(up.a, up.b, rows, n);
    const Preparer prepare(kernels, t, q, out, observed);
    const std::int64_t width = t.identity() || kGateColumns % t.block == 0
                                   ? kGateColumns
                                   : std::lcm<std::int64_t>(t.block, 32);
    const std::int64_t across = divide_up(n, width);
    const std::int64_t height =
        rows * across <= 4 * kGateRows * threads.count() ? kGateRows / 8 : kGateRows;
    Matrix<float> whole;
    if (q && q->scheme->by_row()) whole = Matrix<float>(rows, out.padded_k());
    std::vector<AlignedVector<float>> buffers(static_cast<std::size_t>(threads.count()));
    const auto task = [&](std::int64_t i, int thread) {
        auto& buffer = buffers[static_cast<std::size_t>(thread)];
        buffer.resize(static_cast<std::size_t>((2 * kGateRows + 2 * kPrepareRows) * width));
        const std::int64_t row = i / across * height, count = std::min(height, rows - row);
        const std::int64_t column = i % across * width, columns = std::min(width, n - column);
        const std::int64_t stride = divide_up(columns, 32) * 32;
        const std::int64_t chunk = std::max(chunk_of(kernels, gate.a, gate.b, stride),
                                            chunk_of(kernels, up.a, up.b, stride));
        const Sums gates{buffer.data(), kGateRows, chunk},
            ups{gates.at + kGateRows * width, kGateRows, chunk};
        float *const lines = ups.at + kGateRows * width, *const spare =
                                                             lines + kPrepareRows * width;
        const float alpha = take_factor(kernels, gate, row, count, column, columns, stride, gates);
        const float beta = take_factor(kernels, up, row, count, column, columns, stride, ups);
        for (std::int64_t r = 0; r < count; r += kPrepareRows) {
            const std::int64_t few = std::min(kPrepareRows, count - r);
            for (std::int64_t j = 0; j < stride; j += chunk) {
                float* const from = gates.place(r, j);
                kernels.silu_multiply(from, alpha, ups.place(r, j), beta, few * chunk, from);
                for (std::int64_t l = 0; l < few; ++l)
                    std::copy_n(from + l * chunk, chunk, lines + l * stride + j);
            }
            if (whole.empty())
                prepare(lines, spare, row + r, few, column, stride);
            else
                for (std::int64_t l = 0; l < few; ++l)
                    std::copy_n(lines + l * stride, columns, whole.row(row + r + l) + column);
        }
    };
    loop_over(threads, rows, divide_up(rows, height) * across, task);
    if (whole.empty()) return;
    threads.loop(divide_up(rows, kPrepareRows), [&](std::int64_t i, int thread) {
        auto& spare = buffers[static_cast<std::size_t>(thread)];
        spare.resize(static_cast<std::size_t>(kPrepareRows * whole.cols));
        const std::int64_t row = i * kPrepareRows, few = std::min(kPrepareRows, rows - row);
        prepare(whole.row(row), spare.data(), row, few, 0, whole.cols);
    });
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
