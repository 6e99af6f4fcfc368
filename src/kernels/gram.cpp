// SPDX-License-Identifier: Apache-2.0
// h += x^T x as a product whose both sides are x^T. In lane order, the 32-bit word i of a block of
// 32 columns holds columns i (low) and 16 + i (high), so two rows (tokens j and 16 + j) give one
// pair row of two panels by masks and shifts; a panel's tile, transposed as 32-bit words, is the
// same 16 columns as left rows.
#include <algorithm>

#include "core/error.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

constexpr std::int64_t kChunkBytes = 16 << 20;  // of transposed tokens at a time
constexpr std::int64_t kBand = 192;             // rows of a task, half of it for small matrices,
constexpr std::int64_t kDiagonal = 48;  // of which so many share their first column at the diagonal
constexpr std::int64_t kAcross = kTilePanels * 16;

void transpose_chunk(const Kernels& kernels, Threads& threads, const Operand& x, std::int64_t first,
                     std::int64_t end, GramBuffers& t) {
    t.features = x.padded_k();
    t.blocks = (end - first + kBlock - 1) / kBlock;
    t.panels.resize(static_cast<std::size_t>(t.features * t.blocks * kBlock));
    t.rows.resize(t.panels.size());
    const auto words = []<class T>(T* p) {
        using Word = std::conditional_t<std::is_const_v<T>, const std::uint32_t, std::uint32_t>;
        return reinterpret_cast<Word*>(p);
    };
    threads.loop(t.features / 32, [&](std::int64_t pair, int) {
        static constexpr std::uint32_t zeros[16] = {};
        for (std::int64_t block = 0; block < t.blocks; ++block) {
            const std::uint32_t* from[32];
            for (std::int64_t i = 0; i < kBlock; ++i) {
                const std::int64_t token = first + block * kBlock + i;
                from[i] =
                    token < end ? words(x.narrow.data() + x.at(token) + pair * x.step()) : zeros;
            }
            const std::int64_t at = (2 * pair * t.blocks + block) * kTile,
                               below = at + t.blocks * kTile;
            kernels.transpose(from, {words(t.panels.data() + at), words(t.panels.data() + below)},
                              {words(t.rows.data() + at), words(t.rows.data() + below)});
        }
    });
}

// Rows [row, row + rows) and columns [column, column + columns) of h, those below the diagonal
// excepted; row and column are multiples of 16.
void gram_part(const Kernels& kernels, const GramBuffers& t, View<float> h, std::int64_t row,
               std::int64_t rows, std::int64_t column, std::int64_t columns) {
    alignas(64) float acc[kBand * kTilePanels * 16];
    Multiply m;
    m.a_step = kTile;
    m.a_stride = m.b_stride = t.blocks * kTile;
    m.narrow_a = t.rows.data() + row / 16 * m.a_stride;
    m.narrow_b = t.panels.data() + column / 16 * m.b_stride;
    m.blocks = t.blocks;
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
        const std::int64_t skip = std::clamp<std::int64_t>(row + r - column, 0, columns);
        const float* from = acc + r * m.c_stride;
        std::copy(from + skip, from + columns, h.row(row + r) + column + skip);
    }
}

void gram_tile(const Kernels& kernels, const GramBuffers& t, View<float> h, std::int64_t row,
               std::int64_t rows, std::int64_t column, std::int64_t columns) {
    const std::int64_t step = 16 * kernels.panels;
    for (std::int64_t done = 0; done < columns; done += step) {
        gram_part(kernels, t, h, row, rows, column + done, std::min(step, columns - done));
    }
}

void diagonal_square(const Kernels& kernels, const GramBuffers& t, View<float> h, std::int64_t row,
                     std::int64_t rows) {
    for (std::int64_t r = 0; r < rows; r += kDiagonal) {
        gram_tile(kernels, t, h, row + r, std::min(kDiagonal, rows - r), row + r, rows - r);
    }
}

}  // namespace

void accumulate_gram(const Kernels& kernels, Threads& threads, const Operand& x, GramBuffers& t,
                     View<float> h) {
    if (x.precision != Precision::bf16)
        fail("a Gram matrix is made of a bf16 operand, not of an fp32 one");
    if (h.rows != x.k || h.cols != x.k) {
        fail("the Gram matrix of {} columns into ({}, {})", x.k, h.rows, h.cols);
    }
    const std::int64_t band = x.k >= 1024 ? kBand : kBand / 2;
    const std::int64_t bands = (x.k + band - 1) / band, tiles = (x.k + kAcross - 1) / kAcross + 1;
    const std::int64_t chunk =
        std::max<std::int64_t>(kChunkBytes / (4 * x.padded_k()) / 32 * 32, 32);
    for (std::int64_t first = 0; first < x.rows; first += chunk) {
        transpose_chunk(kernels, threads, x, first, std::min(first + chunk, x.rows), t);
        threads.loop(bands * tiles, [&](std::int64_t i, int) {
            const std::int64_t row = i / tiles * band, rows = std::min(band, x.k - row);
            if (i % tiles == 0) return diagonal_square(kernels, t, h, row, rows);
            const std::int64_t column = row + band + (i % tiles - 1) * kAcross;
            if (column >= x.k) return;
            gram_tile(kernels, t, h, row, rows, column, std::min(kAcross, x.k - column));
        });
    }
}

void mirror_upper(View<float> h) {
    for (std::int64_t r = 0; r < h.rows; ++r) {
        for (std::int64_t c = 0; c < r; ++c) h(r, c) = h(c, r);
    }
}

}  // namespace hb
