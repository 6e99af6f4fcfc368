// SPDX-License-Identifier: Apache-2.0
// Rows of a packed weight as numbers: of codes, the row's whole panel is expanded, a few blocks at
// a time.
#include <algorithm>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

constexpr std::int64_t kAtOnce = 8;  // blocks

float number(std::uint16_t bits) {
    return bf16_to_float(bits);
}
float number(float x) {
    return x;
}

// Row l of `blocks` tiles, n numbers.
template <class T>
void take_row(const T* tiles, std::int64_t l, std::int64_t n, float alpha, float* out) {
    for (std::int64_t k = 0; k < n; ++k)
        out[k] = alpha * number(tiles[k / 32 * kTile + k % 16 * 32 + 2 * l + k / 16 % 2]);
}

void take_coded_row(const Kernels& kernels, const PackedMatrix& w, const std::uint8_t* panel,
                    std::int64_t l, float alpha, float* out) {
    alignas(64) std::uint16_t tiles[kAtOnce * kTile];
    for (std::int64_t k = 0; k < w.k; k += kAtOnce * kBlock) {
        const std::int64_t n = std::min(kAtOnce * kBlock, w.k - k);
        kernels.expand(panel + k / kBlock * coded_bytes(w.coding), w.coding, w.moderate,
                       (n + kBlock - 1) / kBlock, tiles);
        take_row(tiles, l, n, alpha, out + k);
    }
}

}  // namespace

void unpack_rows(const Kernels& kernels, const PackedMatrix& w, std::span<const std::int32_t> rows,
                 float alpha, View<float> out) {
    const std::int64_t blocks = (w.k + kBlock - 1) / kBlock;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i] < 0 || rows[i] >= w.n) fail("row {} of a matrix of {}", rows[i], w.n);
        float* to = out.row(static_cast<std::int64_t>(i));
        const std::int64_t first = rows[i] / 16 * blocks, l = rows[i] % 16;
        if (w.coding != Coding::none)
            take_coded_row(kernels, w, w.coded.data() + first * coded_bytes(w.coding), l, alpha,
                           to);
        else if (w.precision == Precision::bf16)
            take_row(w.narrow.data() + first * kTile, l, w.k, alpha, to);
        else
            take_row(w.wide.data() + first * kTile, l, w.k, alpha, to);
    }
}

}  // namespace hb
