// SPDX-License-Identifier: Apache-2.0
// silu(gate) * up as the next product's left side: both factors' sums, their product, its transform
// and its quantization in one task, whose numbers never leave its core's cache.
#include <numeric>
#include <vector>

#include "kernels/prepare.hpp"
#include "kernels/sums.hpp"

namespace hb {

namespace {

constexpr std::int64_t kGateRows = 256, kGateColumns = 128, kPrepareRows = 16;

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

}  // namespace

// Columns are taken a whole number of the transform's blocks at a time. Where a row has one scale,
// the whole row is needed to choose it, and waits in memory.
void gated_gemm(const Kernels& kernels, Threads& threads, const Factor& gate, const Factor& up,
                const Transform& t, const ActivationQuantizer* q, Operand& out, Operand* observed) {
    const std::int64_t rows = gate.a.rows, n = out.k;
    check_product(gate.a, gate.b, rows, n);
    check_product(up.a, up.b, rows, n);
    const Preparer prepare(kernels, t, q, out, observed);
    const std::int64_t width = t.identity() || kGateColumns % t.block == 0
                                   ? kGateColumns
                                   : std::lcm<std::int64_t>(t.block, 32);
    const std::int64_t across = divide_up(n, width);
    const std::int64_t height =
        rows * across <= 4 * kGateRows * threads.count() ? kGateRows / 8 : kGateRows;
    const std::int64_t tall = std::min(height, rows), lines_tall = std::min(kPrepareRows, rows);
    Matrix<float> whole;
    if (q && q->scheme->by_row()) whole = Matrix<float>(rows, out.padded_k());
    std::vector<AlignedVector<float>> buffers(static_cast<std::size_t>(threads.count()));
    const auto task = [&](std::int64_t i, int thread) {
        auto& buffer = buffers[static_cast<std::size_t>(thread)];
        buffer.resize(static_cast<std::size_t>((2 * tall + 2 * lines_tall) * width));
        const std::int64_t row = i / across * height, count = std::min(height, rows - row);
        const std::int64_t column = i % across * width, columns = std::min(width, n - column);
        const std::int64_t stride = divide_up(columns, 32) * 32;
        const std::int64_t chunk = std::max(chunk_of(kernels, gate.a, gate.b, stride),
                                            chunk_of(kernels, up.a, up.b, stride));
        const Sums gates{buffer.data(), tall, chunk}, ups{gates.at + tall * width, tall, chunk};
        float *const lines = ups.at + tall * width, *const spare = lines + lines_tall * width;
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

}  // namespace hb
