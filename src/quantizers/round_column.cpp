// SPDX-License-Identifier: Apache-2.0
// The code of an e2m1 magnitude m, with d = 2m in {0 1 2 3 4 6 8 12}: the three straight pieces d,
// 2 + d/2 and 4 + d/4 meet at 4 and 8, and each is the least of the three where it holds.
#include "quantizers/round_column.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "formats/all.hpp"

namespace hb {
namespace {

void round_e2m1(const float* __restrict targets, const float* __restrict steps, const float*,
                float* __restrict weights, std::uint8_t* __restrict codes, int rows) {
    for (int r = 0; r < rows; ++r) {
        const float q = E2M1::round(targets[r] / steps[r]);
        const float d = 2 * std::fabs(q);
        const auto magnitude = static_cast<int>(std::min(d, std::min(2 + d / 2, 4 + d / 4)));
        const auto sign = static_cast<int>(std::bit_cast<std::uint32_t>(q) >> 28 & 8u);
        codes[r] = static_cast<std::uint8_t>(magnitude | sign);
        weights[r] -= q * steps[r];
    }
}

void round_int4(const float* __restrict targets, const float* __restrict steps, const float*,
                float* __restrict weights, std::uint8_t* __restrict codes, int rows) {
    for (int r = 0; r < rows; ++r) {
        const float rounded = std::max(Int4::min, std::rint(targets[r] / steps[r]));
        const float q = std::min(rounded, Int4::max);
        codes[r] = static_cast<std::uint8_t>(static_cast<int>(q) + 8);
        weights[r] -= q * steps[r];
    }
}

void round_zeroed(const float* __restrict targets, const float* __restrict steps,
                  const float* __restrict zeros, float* __restrict weights,
                  std::uint8_t* __restrict codes, int rows) {
    for (int r = 0; r < rows; ++r) {
        const float rounded = std::max(Int4::min, std::rint(targets[r] / steps[r] + zeros[r]));
        const float q = std::min(rounded, Int4::max);
        codes[r] = static_cast<std::uint8_t>(static_cast<int>(q) + 8);
        weights[r] -= (q - zeros[r]) * steps[r];
    }
}

void round_int8(const float* __restrict targets, const float* __restrict steps, const float*,
                float* __restrict weights, std::uint8_t* __restrict codes, int rows) {
    for (int r = 0; r < rows; ++r) {
        const float rounded = std::max(Int8::min, std::rint(targets[r] / steps[r]));
        const float q = std::min(rounded, Int8::max);
        codes[r] = static_cast<std::uint8_t>(static_cast<int>(q));
        weights[r] -= q * steps[r];
    }
}

void round_fp8(const float* __restrict targets, const float* __restrict steps, const float*,
               float* __restrict weights, std::uint8_t* __restrict codes, int rows) {
    for (int r = 0; r < rows; ++r) {
        const float q = E4M3::round(targets[r] / steps[r]);
        codes[r] = E4M3::encode(q);
        weights[r] -= q * steps[r];
    }
}

auto* rounding_of(Family family) {
    switch (family) {
        case Family::int8:
            return round_int8;
        case Family::fp8:
            return round_fp8;
        case Family::integer:
            return round_int4;
        case Family::zeroed:
            return round_zeroed;
        default:
            return round_e2m1;
    }
}

}  // namespace

void round_column(Family family, const float* targets, const float* steps, const float* zeros,
                  float* weights, std::uint8_t* codes, int rows) {
    rounding_of(family)(targets, steps, zeros, weights, codes, rows);
}

}  // namespace hb
