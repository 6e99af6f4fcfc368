// SPDX-License-Identifier: Apache-2.0
// A lane's weights of a unit (w4a4_layout.hpp) from four bits to the A operand's E5M2 bytes: a
// table of magnitudes for each row and group, which is one step of the tensor core, and a
// permutation for four codes.
#pragma once

#include "gpu/fold.cuh"
#include "gpu/w4a4_layout.hpp"

namespace hb::gpu {

HB_BOTH FoldTable weight_table(std::uint32_t biased) {
    return {0x0a080400u + biased * 0x04040400u, 0x12100e0cu + biased * 0x04040404u};
}

HB_BOTH void expand_word(std::uint32_t word, const FoldTable& t, std::uint32_t& first,
                         std::uint32_t& second) {
    const std::uint32_t magnitudes = word & 0x77777777u;
    first = permute(t.low, t.high, magnitudes) | (word << 4 & 0x80808080u);
    second = permute(t.low, t.high, magnitudes >> 16) | (word & 0x80808080u);
}

// Where the weights of a lane, of 16 rows `warp` of 64 rows w, lie in a unit.
struct LaneWeights {
    unsigned codes, scales;
};

HB_BOTH LaneWeights lane_weights(unsigned w, unsigned warp, unsigned lane) {
    return {4096 * w + 1024 * warp + 16 * lane,
            kW4A4CodeBytes + 256 * w + 64 * warp + 8 * (lane / 4)};
}

// Four steps of four registers.
HB_BOTH void expand_weights(const std::uint8_t* unit, unsigned codes_at, unsigned scales_at,
                            std::uint32_t (&a)[16]) {
    const auto* codes = reinterpret_cast<const uint4*>(unit + codes_at);
    const uint2 scales = *reinterpret_cast<const uint2*>(unit + scales_at);
#pragma unroll
    for (int step = 0; step < 4; ++step) {
        const uint4 words = codes[step / 2 * 32];
        const FoldTable upper = weight_table(
                            permute(scales.x, 0, 0x4440u + static_cast<unsigned>(step))),
                        lower = weight_table(
                            permute(scales.y, 0, 0x4440u + static_cast<unsigned>(step)));
        expand_word(step % 2 ? words.z : words.x, upper, a[4 * step], a[4 * step + 2]);
        expand_word(step % 2 ? words.w : words.y, lower, a[4 * step + 1], a[4 * step + 3]);
    }
}

}  // namespace hb::gpu
