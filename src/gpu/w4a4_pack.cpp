// SPDX-License-Identifier: Apache-2.0
// The host's side of W4A4: weights into the order of w4a4_layout.hpp.
#include <cmath>
#include <cstring>

#include "formats/e8m0.hpp"
#include "gpu/w4a4.hpp"
#include "gpu/w4a4_layout.hpp"

namespace hb::gpu {

namespace {

struct Exponents {
    int largest = 0, least = 255;  // as E8M0 bytes
};

bool group_is_zero(const std::uint8_t* codes) {
    std::uint8_t any = 0;
    for (int i = 0; i < 16; ++i) any |= codes[i] & 0x77;
    return any == 0;
}

Exponents row_exponents(const std::uint8_t* codes, const std::uint8_t* scales,
                        std::int64_t groups) {
    Exponents e;
    for (std::int64_t g = 0; g < groups; ++g) {
        if (group_is_zero(codes + 16 * g)) continue;
        e.largest = scales[g] > e.largest ? scales[g] : e.largest;
        e.least = scales[g] < e.least ? scales[g] : e.least;
    }
    return e;
}

void pack_group(const std::uint8_t* codes, int scale, std::int64_t row, std::int64_t col,
                std::int64_t depths, std::uint8_t* to) {
    to[w4a4_place(row, col, depths).scale] = static_cast<std::uint8_t>(scale);
    for (int i = 0; i < 32; ++i) {
        const auto code = static_cast<std::uint32_t>(codes[i / 2] >> i % 2 * 4 & 15);
        const W4A4Place place = w4a4_place(row, col + i, depths);
        std::uint32_t word;
        std::memcpy(&word, to + place.word, 4);
        word |= (code & 7) << place.shift | code >> 3 << place.sign;
        std::memcpy(to + place.word, &word, 4);
    }
}

}  // namespace

std::int64_t w4a4_weight_bytes(std::int64_t out, std::int64_t in) {
    return w4a4_tiles(out) * w4a4_depths(in) * kW4A4UnitBytes;
}

std::int64_t w4a4_factors(std::int64_t out) {
    return w4a4_tiles(out) * kW4A4Tile;
}

Status repack_w4a4(std::int64_t out, std::int64_t in, const void* codes, const void* scales,
                   float divisor, void* weights, float* factors) {
    if (out <= 0 || in <= 0 || in % 32) return refuse("repack_w4a4: whole groups of 32 are wanted");
    if (!(divisor > 0 && std::isfinite(divisor)))
        return refuse("repack_w4a4: the divisor must be positive and finite");
    auto* to = static_cast<std::uint8_t*>(weights);
    std::memset(to, 0, static_cast<std::size_t>(w4a4_weight_bytes(out, in)));
    std::memset(factors, 0, static_cast<std::size_t>(w4a4_factors(out)) * 4);
    const std::int64_t depths = w4a4_depths(in), groups = in / 32;
    for (std::int64_t r = 0; r < out; ++r) {
        const auto* row = static_cast<const std::uint8_t*>(codes) + r * in / 2;
        const auto* scale = static_cast<const std::uint8_t*>(scales) + r * groups;
        const Exponents e = row_exponents(row, scale, groups);
        if (e.largest == 255) return refuse("repack_w4a4: a scale is NaN");
        if (e.largest - e.least > 2 * kW4A4Bias)
            return refuse("repack_w4a4: a row's scales spread over more than 2^26");
        factors[r] = std::ldexp(1.f, e.largest - 127 - kW4A4Bias) / divisor;
        for (std::int64_t g = 0; g < groups; ++g) {
            if (group_is_zero(row + 16 * g)) continue;
            pack_group(row + 16 * g, scale[g] - e.largest + 2 * kW4A4Bias, r, 32 * g, depths, to);
        }
    }
    return {};
}

}  // namespace hb::gpu
