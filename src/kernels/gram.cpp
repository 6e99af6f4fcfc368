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

constexpr std::int64_t kChunk = 512;    // tokens at a time
constexpr std::int64_t kBand = 192;     // rows of a task, half of it for small matrices,
constexpr std::int64_t kDiagonal = 48;  // of which so many share their first column at the diagonal
constexpr std::int64_t kAcross = kTilePanels * 16;

struct Transposed {
    std::int64_t blocks = 0, features = 0;  // of tokens; padded to 32
    AlignedVector<std::uint16_t> panels,
        rows;  // (features / 16, blocks, tile); (features, 32 blocks)
};

void transpose_chunk(const Kernels& kernels, Threads& threads, const Operand& x, std::int64_t first,
                     std::int64_t end, Transposed& t) {
    t.features = x.padded_k();
    t.blocks = (end - first + kBlock - 1) / kBlock;
    t.panels.resize(static_cast<std::size_t>(t.features * t.blocks * kBlock));
    t.rows.resize(t.panels.size());
    const std::int64_t stride = t.blocks * kBlock;
    const auto words = [](auto* p) { return reinterpret_cast<std::uint32_t*>(p); };
    threads.loop(t.features / 32, [&](std::int64_t pair, int) {
        static constexpr std::uint32_t zeros[16] = {};
        for (std::int64_t block = 0; block < t.blocks; ++block) {
            const std::uint32_t* from[32];
            for (std::int64_t i = 0; i < kBlock; ++i) {
                const std::int64_t token = first + block * kBlock + i;
                const std::uint16_t* row = x.narrow.data() + token * t.features + pair * 32;
                from[i] = token < end ? reinterpret_cast<const std::uint32_t*>(row) : zeros;
            }
            std::uint32_t* const tile =
                words(t.panels.data() + (2 * pair * t.blocks + block) * kTile);
            std::uint32_t* const row = words(t.rows.data() + pair * 32 * stride + block * kBlock);
            kernels.transpose(from, {tile, tile + t.blocks * kTile / 2},
                              {row, row + 16 * stride / 2}, stride / 2);
        }
    });
}

// Rows [row, row + rows) and columns [column, column + columns) of h; column is a multiple of 16.
void gram_tile(const Kernels& kernels, const Transposed& t, View<float> h, std::int64_t row,
               std::int64_t rows, std::int64_t column, std::int64_t columns) {
    Multiply m;
    m.a_stride = t.blocks * kBlock;
    m.b_stride = t.blocks * kTile;
    m.narrow_a = t.rows.data() + row * m.a_stride;
    m.narrow_b = t.panels.data() + column / 16 * m.b_stride;
    m.blocks = t.blocks;
    m.rows = static_cast<int>(rows);
    m.panels = static_cast<int>((columns + 15) / 16);
    m.resume = true;
    if (column >= row + rows && columns % 16 == 0) {
        m.c = h.row(row) + column;
        m.c_stride = h.stride;
        return kernels.multiply(m);
    }
    alignas(64) float acc[kBand * kTilePanels * 16];
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

void diagonal_square(const Kernels& kernels, const Transposed& t, View<float> h, std::int64_t row,
                     std::int64_t rows) {
    for (std::int64_t r = 0; r < rows; r += kDiagonal) {
        gram_tile(kernels, t, h, row + r, std::min(kDiagonal, rows - r), row + r, rows - r);
    }
}

}  // namespace

void accumulate_gram(const Kernels& kernels, Threads& threads, const Operand& x, View<float> h) {
    if (x.precision != Precision::bf16)
        fail("a Gram matrix is made of a bf16 operand, not of an fp32 one");
    if (h.rows != x.k || h.cols != x.k) {
        fail("the Gram matrix of {} columns into ({}, {})", x.k, h.rows, h.cols);
    }
    const std::int64_t band = x.k >= 1024 ? kBand : kBand / 2;
    const std::int64_t bands = (x.k + band - 1) / band, tiles = (x.k + kAcross - 1) / kAcross + 1;
    Transposed t;
    for (std::int64_t first = 0; first < x.rows; first += kChunk) {
        transpose_chunk(kernels, threads, x, first, std::min(first + kChunk, x.rows), t);
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
