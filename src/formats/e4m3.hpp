// SPDX-License-Identifier: Apache-2.0
// E4M3 (Micikevicius et al. 2022, "FP8 formats for deep learning", table 1): bias 7, largest number
// 448, subnormals are multiples of 2^-9, no infinity; 0x7f and 0xff are NaN. A NaN encodes as NaN.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

#include "formats/concept.hpp"

namespace hb {

struct E4M3 {
    static constexpr std::string_view name = "e4m3";
    static constexpr int bits = 8;
    static constexpr float max = 448, min = -448;
    static constexpr std::uint8_t kNan = 0x7f, kMaxCode = 0x7e;

    static constexpr float decode(std::uint8_t code) {
        const std::uint32_t sign = (code & 0x80u) << 24, exponent = code >> 3 & 15u,
                            mantissa = code & 7u;
        if ((code & 0x7fu) == kNan) return std::bit_cast<float>(sign | 0x7fc00000u);
        if (exponent == 0) {
            const float magnitude = static_cast<float>(mantissa) * 0x1p-9f;
            return sign ? -magnitude : magnitude;
        }
        return std::bit_cast<float>(sign | ((exponent + 120u) << 23) | (mantissa << 20));
    }

    static constexpr std::uint8_t encode(float x) {
        const auto u = std::bit_cast<std::uint32_t>(x);
        const std::uint32_t sign = u >> 24 & 0x80u, a = u & 0x7fffffffu;
        return static_cast<std::uint8_t>(sign | magnitude_code(a));
    }

    // decode(encode(x)) of a number, without branches or tables: the fp32 adder rounds to multiples
    // of 2^-9 below 2^-6, and above an integer adder rounds to three bits of mantissa.
    static constexpr float round(float x) {
        const auto u = std::bit_cast<std::uint32_t>(x);
        const std::uint32_t a = u & 0x7fffffffu;
        const float magnitude = std::bit_cast<float>(a);
        const float small = (magnitude + 0x1p14f) - 0x1p14f;
        const float large = std::bit_cast<float>((a + 0x7ffffu + (a >> 20 & 1u)) & 0xfff00000u);
        const float rounded = magnitude < 0x1p-6f ? small : large;
        const float q = rounded < max ? rounded : max;
        return std::bit_cast<float>(std::bit_cast<std::uint32_t>(q) | (u & 0x80000000u));
    }

private:
    static constexpr std::uint32_t magnitude_code(std::uint32_t a) {
        if (a > 0x7f800000u) return kNan;
        if (a >= 0x43e00000u) return kMaxCode;  // 448 and more
        if (a < 0x3c800000u) {                  // below 2^-6: the fp32 adder rounds to 2^-9
            return std::bit_cast<std::uint32_t>(std::bit_cast<float>(a) + 0x1p14f) - 0x46800000u;
        }
        return ((a + 0x7ffffu + (a >> 20 & 1u)) >> 20) - (120u << 3);
    }
};

static_assert(Format<E4M3>);
static_assert(E4M3::encode(448) == 0x7e && E4M3::encode(1e9f) == 0x7e &&
              E4M3::encode(.125f) == 0x20);
static_assert(E4M3::encode(0x1p-9f) == 1 && E4M3::encode(0x1p-10f) == 0 &&
              E4M3::encode(0x3p-10f) == 2);
static_assert(E4M3::decode(E4M3::encode(-.0625f)) == -.0625f);
static_assert(E4M3::round(-17) == -16 && E4M3::round(1e9f) == 448 &&
              E4M3::round(0x3p-10f) == 0x1p-8f);

}  // namespace hb
