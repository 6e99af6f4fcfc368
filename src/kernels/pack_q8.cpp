// SPDX-License-Identifier: Apache-2.0
// Weights in Q8_0 into panels (kernels.hpp). Rows beyond the end have scale 0.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

// Columns [32 block, 32 block + 32) of rows [n, n + 16).
void fill_block(const Q8Tensor& w, std::int64_t n, std::int64_t block, std::uint8_t* out) {
    std::fill(out, out + coded_bytes(Coding::q8), std::uint8_t{});
    for (int l = 0; l < std::min<std::int64_t>(16, w.rows - n); ++l) {
        const std::int8_t* codes = w.codes.row(n + l) + block * kBlock;
        for (int i = 0; i < kBlock; ++i)
            out[q8_code_byte(l, i)] = static_cast<std::uint8_t>(codes[i % 2 * 16 + i / 2] + 128);
        const std::uint16_t scale = w.scales(n + l, block);
        if (!std::isfinite(f16_to_float(scale)))
            fail("the scale of row {}, columns {} on is {}; wanted a finite number", n + l,
                 block * kBlock, f16_to_float(scale));
        std::memcpy(out + q8_scale_byte(l), &scale, 2);
    }
}

}  // namespace

PackedMatrix pack_codes(const Q8Tensor& w, Threads& threads) {
    static_assert(Q8Tensor::kGroup == kBlock);
    if (w.cols % kBlock != 0) fail("{} columns of Q8_0 are not whole groups of 32", w.cols);
    const std::int64_t blocks = w.cols / kBlock, panels = (w.rows + 15) / 16;
    constexpr std::int64_t bytes = coded_bytes(Coding::q8);
    PackedMatrix out{w.rows, w.cols, Precision::bf16, {}, {}, Coding::q8, false, {}};
    out.coded.resize(static_cast<std::size_t>(panels * blocks * bytes));
    threads.loop(panels, [&](std::int64_t panel, int) {
        for (std::int64_t block = 0; block < blocks; ++block)
            fill_block(w, panel * 16, block, out.coded.data() + (panel * blocks + block) * bytes);
    });
    return out;
}

}  // namespace hb
