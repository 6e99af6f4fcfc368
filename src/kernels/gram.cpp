// SPDX-License-Identifier: Apache-2.0
// h += x^T x, or x^T y, as a product whose both sides are transposed. In lane order, the 32-bit
// word i of a block of 32 columns holds columns i (low) and 16 + i (high), so two rows (tokens j
// and 16 + j) give one pair row of two panels by masks and shifts; a panel's tile, transposed as
// 32-bit words, is the same 16 columns as left rows.
#include <algorithm>

#include "core/error.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

constexpr std::int64_t kBand = 192;     // rows of a task, half of it for small matrices,
constexpr std::int64_t kDiagonal = 48;  // of which so many share their first column at the diagonal
constexpr std::int64_t kAcross = kTilePanels * 16;

// Rows [row, row + rows) and columns [column, column + columns) of h += x^T y, when `upper` those
// below the diagonal excepted; row and column are multiples of 16.
void product_part(const Kernels& kernels, const Transposed& x, const Transposed& y, bool upper,
                  View<float> h, std::int64_t row, std::int64_t rows, std::int64_t column,
                  std::int64_t columns) {
    alignas(64) float acc[kBand * kTilePanels * 16];
    Multiply m;
    m.a_step = kTile;
    m.a_stride = m.b_stride = x.blocks * kTile;
    m.narrow_a = x.rows.data() + row / 16 * m.a_stride;
    m.narrow_b = y.panels.data() + column / 16 * m.b_stride;
    m.blocks = x.blocks;
    m.rows = static_cast<int>(rows);
    m.panels = static_cast<int>((columns + 15) / 16);
    m.resume = true;
    m.c = acc;
    m.c_stride = 16 * m.panels;
    for (std::int64_t r = 0; r < rows; ++r) {
        float* to = acc + r * m.c_stride;
        std::copy_n(h.row(row + r) + column, columns, to);
        std::fill(to + columns, to + m.c_stride, 0.f);
    }
    kernels.multiply(m);
    for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t skip =
            upper ? std::clamp<std::int64_t>(row + r - column, 0, columns) : 0;
        const float* from = acc + r * m.c_stride;
        std::copy(from + skip, from + columns, h.row(row + r) + column + skip);
    }
}

void gram_tile(const Kernels& kernels, const Transposed& t, View<float> h, std::int64_t row,
               std::int64_t rows, std::int64_t column, std::int64_t columns) {
    const std::int64_t step = 16 * kernels.panels;
    for (std::int64_t done = 0; done < columns; done += step) {
        product_part(kernels, t, t, true, h, row, rows, column + done,
                     std::min(step, columns - done));
    }
}

void diagonal_square(const Kernels& kernels, const Transposed& t, View<float> h, std::int64_t row,
                     std::int64_t rows) {
    for (std::int64_t r = 0; r < rows; r += kDiagonal) {
        gram_tile(kernels, t, h, row + r, std::min(kDiagonal, rows - r), row + r, rows - r);
    }
}

}  // namespace

void shape_transposed(std::int64_t tokens, std::int64_t k, Transposed& out) {
    out.features = (k + 31) / 32 * 32;
    out.blocks = (tokens + kBlock - 1) / kBlock;
    out.panels.resize(static_cast<std::size_t>(out.features * out.blocks * kBlock));
    out.rows.resize(out.panels.size());
}

void take_tokens(const Kernels& kernels, const Operand& x, std::int64_t first, Transposed& out) {
    if (x.precision != Precision::bf16)
        fail("a Gram matrix is made of a bf16 operand, not of an fp32 one");
    if (x.padded_k() != out.features || first % kBlock != 0 ||
        first + x.rows > out.blocks * kBlock) {
        fail("tokens {}..{} of {} features do not fit into {} blocks of {}", first,
             first + x.rows - 1, x.k, out.blocks, out.features);
    }
    const auto words = []<class T>(T* p) {
        using Word = std::conditional_t<std::is_const_v<T>, const std::uint32_t, std::uint32_t>;
        return reinterpret_cast<Word*>(p);
    };
    static constexpr std::uint32_t zeros[16] = {};
    const std::int64_t below = out.blocks * kTile;  // the next panel
    for (std::int64_t row = 0; row < x.rows; row += kBlock) {
        std::int64_t at = (first + row) / kBlock * kTile;
        for (std::int64_t pair = 0; pair < out.features / 32; ++pair, at += 2 * below) {
            const std::uint32_t* from[32];
            for (std::int64_t i = 0; i < kBlock; ++i) {
                from[i] = row + i < x.rows
                              ? words(x.narrow.data() + x.at(row + i) + pair * x.step())
                              : zeros;
            }
            kernels.transpose(
                from, {words(out.panels.data() + at), words(out.panels.data() + at + below)},
                {words(out.rows.data() + at), words(out.rows.data() + at + below)});
        }
    }
}

void accumulate_gram(const Kernels& kernels, Threads& threads, const Transposed& x, View<float> h) {
    if (h.rows != h.cols || (h.cols + 31) / 32 * 32 != x.features) {
        fail("the Gram matrix of {} features into ({}, {})", x.features, h.rows, h.cols);
    }
    const std::int64_t k = h.cols, band = k >= 1024 ? kBand : kBand / 2;
    const std::int64_t bands = (k + band - 1) / band, tiles = (k + kAcross - 1) / kAcross + 1;
    threads.loop(bands * tiles, [&](std::int64_t i, int) {
        const std::int64_t row = i / tiles * band, rows = std::min(band, k - row);
        if (i % tiles == 0) return diagonal_square(kernels, x, h, row, rows);
        const std::int64_t column = row + band + (i % tiles - 1) * kAcross;
        if (column >= k) return;
        gram_tile(kernels, x, h, row, rows, column, std::min(kAcross, k - column));
    });
}

void accumulate_product(const Kernels& kernels, Threads& threads, const Transposed& x,
                        const Transposed& y, View<float> c) {
    if ((c.rows + 31) / 32 * 32 != x.features || (c.cols + 31) / 32 * 32 != y.features ||
        x.blocks != y.blocks) {
        fail("{} blocks of {} features times {} of {} into ({}, {})", x.blocks, x.features,
             y.blocks, y.features, c.rows, c.cols);
    }
    const std::int64_t bands = (c.rows + kBand - 1) / kBand, step = 16 * kernels.panels;
    const std::int64_t tiles = (c.cols + step - 1) / step;
    threads.loop(bands * tiles, [&](std::int64_t i, int) {
        const std::int64_t row = i / tiles * kBand, column = i % tiles * step;
        product_part(kernels, x, y, false, c, row, std::min(kBand, c.rows - row), column,
                     std::min(step, c.cols - column));
    });
}

void mirror_upper(View<float> h) {
    for (std::int64_t r = 0; r < h.rows; ++r) {
        for (std::int64_t c = 0; c < r; ++c) h(r, c) = h(c, r);
    }
}

}  // namespace hb
