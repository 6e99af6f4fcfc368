// SPDX-License-Identifier: Apache-2.0
// E2M1, the FP4 element of OCP MX v1.0 (section 5.3.3): sign, two exponent bits with bias 1, one
// mantissa bit. +-{0, .5, 1, 1.5, 2, 3, 4, 6}, no infinity, no NaN. A negative number that rounds
// to zero keeps its sign (code 8). NaN encodes as zero.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

#include "formats/concept.hpp"

namespace hb {

struct E2M1 {
    static constexpr std::string_view name = "e2m1";
    static constexpr int bits = 4;
    static constexpr float max = 6, min = -6;
    static constexpr float values[16] = {0,    .5f,  1,  1.5f,  2,  3,  4,  6,
                                         -0.f, -.5f, -1, -1.5f, -2, -3, -4, -6};

    static constexpr float decode(std::uint8_t code) { return values[code & 15]; }

    static constexpr std::uint8_t encode(float x) {
        const auto u = std::bit_cast<std::uint32_t>(x);
        const float a = std::bit_cast<float>(u & 0x7fffffffu);
        const int magnitude = (a > .25f) + (a >= .75f) + (a > 1.25f) + (a >= 1.75f) + (a > 2.5f) +
                              (a >= 3.5f) + (a > 5.f);
        return static_cast<std::uint8_t>((u >> 28 & 8u) | static_cast<unsigned>(magnitude));
    }

    // decode(encode(x)) of a number, without branches or tables: adding and taking away 1.5 *
    // 2^(23+p) rounds to a multiple of 2^p, ties to even.
    static constexpr float round(float x) {
        const auto u = std::bit_cast<std::uint32_t>(x);
        const float a = std::bit_cast<float>(u & 0x7fffffffu);
        const float magic = a < 2 ? 0x1.8p22f : a < 4 ? 0x1.8p23f : 0x1.8p24f;
        const float rounded = (a + magic) - magic;
        const float q = rounded < max ? rounded : max;
        return std::bit_cast<float>(std::bit_cast<std::uint32_t>(q) | (u & 0x80000000u));
    }
};

static_assert(Format<E2M1>);
static_assert(E2M1::encode(5) == 6 && E2M1::encode(3.5f) == 6 && E2M1::encode(.75f) == 2);
static_assert(E2M1::encode(-.25f) == 8 && E2M1::encode(-1e30f) == 15);
static_assert(E2M1::round(2.5f) == 2 && E2M1::round(-1.75f) == -2 && E2M1::round(1e38f) == 6);

}  // namespace hb
