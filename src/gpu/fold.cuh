// SPDX-License-Identifier: Apache-2.0
// MXFP4 in eight bits without rounding: a code of E2M1 times 2^s is a number of E5M2 for every s
// from -15 to 13, since E5M2 has one more bit than E2M1 needs. With one power of two for each row
// (its largest scale over 2^13) a row's numbers are such bytes as long as its scales lie within
// 2^28 of the largest; what lies below is left to another row (part 1, 2, ...; zeros elsewhere),
// and the product is the sum of both rows' products.
//
// Bytes come from a table of the eight magnitudes under s, one permutation for four codes.
#pragma once

#include "gpu/both.cuh"

namespace hb::gpu {

constexpr int kFoldTop = 13, kFoldBottom = -15, kFoldSpan = kFoldTop - kFoldBottom + 1;

struct FoldTable {
    std::uint32_t low, high;  // the bytes of magnitudes 0 to 3, 4 to 7
};

HB_BOTH FoldTable fold_table(int s) {
    const auto shift = static_cast<std::uint32_t>(s) * 4u;
    FoldTable t{0x3e3c3800u + shift * 0x01010100u, 0x46444240u + shift * 0x01010101u};
    if (s == -14) t.low = 0x06040200u;  // halves are subnormal
    if (s == -15) t = {0x03020100u, 0x0a080604u};
    return t;
}

// Byte i of (high : low) for nibble i of the selector; its fourth bit spreads the byte's highest.
HB_BOTH std::uint32_t permute(std::uint32_t low, std::uint32_t high, std::uint32_t selector) {
#ifdef __CUDA_ARCH__
    std::uint32_t out;
    asm("prmt.b32 %0, %1, %2, %3;" : "=r"(out) : "r"(low), "r"(high), "r"(selector));
    return out;
#else
    const std::uint64_t bytes = std::uint64_t{high} << 32 | low;
    std::uint32_t out = 0;
    for (unsigned i = 0; i < 4; ++i) {
        const std::uint32_t nibble = selector >> 4 * i & 15u;
        auto byte = static_cast<std::uint32_t>(bytes >> 8 * (nibble & 7u)) & 255u;
        if (nibble & 8u) byte = byte & 0x80u ? 0xffu : 0u;
        out |= byte << 8 * i;
    }
    return out;
#endif
}

// Eight codes, the first in the lowest nibble, to eight bytes in the same order.
HB_BOTH void fold_codes(std::uint32_t codes, const FoldTable& t, std::uint32_t* bytes) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        const std::uint32_t four = codes >> 16 * i;
        // 0x80 where a code is positive, 0xff where it is negative: bit 6 is the sign.
        const std::uint32_t signs = permute(0x80808080u, 0x80808080u, four);
        bytes[i] = permute(t.low, t.high, four & 0x7777u) | (signs << 1 & 0x80808080u);
    }
}

}  // namespace hb::gpu
