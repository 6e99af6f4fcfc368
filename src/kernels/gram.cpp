// SPDX-License-Identifier: Apache-2.0
// h += x^T x as a product whose both sides are x^T. In lane order, the 32-bit word i of a block of 32
// columns holds columns i (low) and 16 + i (high), so two rows (tokens j and 16 + j) give one pair row of two
// panels by masks and shifts; a panel's tile, transposed as 32-bit words, is the same 16 columns as left rows.
#include <algorithm>

#include "core/error.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

constexpr std::int64_t kChunk = 2048;   // tokens at a time
constexpr std::int64_t kDiagonal = 48;  // rows that share a first column

struct Transposed {
    std::int64_t blocks = 0, features = 0;    // of tokens; padded to 32
    AlignedVector<std::uint16_t> panels, rows;  // (features / 16, blocks, tile); (features, 32 blocks)
};

void tile_of(const Operand& x, std::int64_t token, std::int64_t end, std::int64_t column,
             std::uint32_t (&low)[256], std::uint32_t (&high)[256]) {
    static constexpr std::uint32_t zeros[16] = {};
    const auto words = [&](std::int64_t t) {
        const std::uint16_t* row = x.narrow.data() + t * x.padded_k() + column;
        return t < end ? reinterpret_cast<const std::uint32_t*>(row) : zeros;
    };
    for (int j = 0; j < 16; ++j) {
        const std::uint32_t *even = words(token + j), *odd = words(token + 16 + j);
        for (int i = 0; i < 16; ++i) {
            low[16 * j + i] = (even[i] & 0xffffu) | odd[i] << 16;
            high[16 * j + i] = even[i] >> 16 | (odd[i] & 0xffff0000u);
        }
    }
}

void transpose_chunk(const Kernels& kernels, Threads& threads, const Operand& x, std::int64_t first,
                     std::int64_t end, Transposed& t) {
    t.features = x.padded_k();
    t.blocks = (end - first + kBlock - 1) / kBlock;
    t.panels.resize(static_cast<std::size_t>(t.features * t.blocks * kBlock));
    t.rows.resize(t.panels.size());
    const std::int64_t stride = t.blocks * kBlock;
    threads.loop(t.features / 32, [&](std::int64_t pair, int) {
        alignas(64) std::uint32_t tiles[2][256];
        for (std::int64_t block = 0; block < t.blocks; ++block) {
            tile_of(x, first + block * kBlock, end, pair * 32, tiles[0], tiles[1]);
            for (std::int64_t side = 0; side < 2; ++side) {
                const std::int64_t panel = 2 * pair + side;
                auto* to = reinterpret_cast<std::uint32_t*>(t.panels.data() + (panel * t.blocks + block) * kTile);
                std::copy(tiles[side], tiles[side] + 256, to);
                auto* rows = reinterpret_cast<std::uint32_t*>(t.rows.data() + panel * 16 * stride);
                kernels.transpose(tiles[side], rows + block * 16, stride / 2);
            }
        }
    });
}

// Rows [row, row + rows) and columns [column, column + columns) of h; column is a multiple of 16.
void gram_tile(const Kernels& kernels, const Transposed& t, View<float> h, std::int64_t row,
               std::int64_t rows, std::int64_t column, std::int64_t columns) {
    alignas(64) float acc[kDiagonal * kTilePanels * 16];
    Multiply m;
    m.a_stride = t.blocks * kBlock;
    m.b_stride = t.blocks * kTile;
    m.narrow_a = t.rows.data() + row * m.a_stride;
    m.narrow_b = t.panels.data() + column / 16 * m.b_stride;
    m.blocks = t.blocks;
    m.rows = static_cast<int>(rows);
    m.panels = static_cast<int>((columns + 15) / 16);
    m.c = acc;
    m.c_stride = 16 * m.panels;
    m.resume = true;
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

}  // namespace

void accumulate_gram(const Kernels& kernels, Threads& threads, const Operand& x, View<float> h) {
    if (x.precision != Precision::bf16) fail("a Gram matrix is made of a bf16 operand, not of an fp32 one");
    if (h.rows != x.k || h.cols != x.k) {
        fail("the Gram matrix of {} columns into ({}, {})", x.k, h.rows, h.cols);
    }
    constexpr std::int64_t across = kTilePanels * 16;
    const std::int64_t bands = (x.k + kDiagonal - 1) / kDiagonal, tiles = (x.k + across - 1) / across;
    Transposed t;
    for (std::int64_t first = 0; first < x.rows; first += kChunk) {
        transpose_chunk(kernels, threads, x, first, std::min(first + kChunk, x.rows), t);
        threads.loop(bands * tiles, [&](std::int64_t i, int) {
            const std::int64_t row = i / tiles * kDiagonal;
            const std::int64_t column = row + i % tiles * across;
            if (column >= x.k) return;
            gram_tile(kernels, t, h, row, std::min(kDiagonal, x.k - row), column,
                      std::min(across, x.k - column));
        });
    }
}

void mirror_upper(View<float> h) {
    for (std::int64_t r = 0; r < h.rows; ++r) {
        for (std::int64_t c = 0; c < r; ++c) h(r, c) = h(c, r);
    }
}

}  // namespace hb
