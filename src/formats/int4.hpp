// SPDX-License-Identifier: Apache-2.0
// Signed 4-bit integers -8..7, stored with an offset of 8 (nibble 8 is zero), as compressed-tensors
// and GGUF's Q4_0 do. NaN encodes as -8.
#pragma once

#include <cstdint>
#include <string_view>

#include "formats/concept.hpp"

namespace hb {

struct Int4 {
    static constexpr std::string_view name = "int4";
    static constexpr int bits = 4;
    static constexpr float max = 7, min = -8;

    static constexpr float decode(std::uint8_t code) { return static_cast<float>((code & 15) - 8); }

    static constexpr std::uint8_t encode(float x) {
        return static_cast<std::uint8_t>(static_cast<int>(round(x)) + 8);
    }

    static constexpr float round(float x) {
        const float above = x > min ? x : min;
        const float inside = above < max ? above : max;
        return (inside + 0x1.8p23f) - 0x1.8p23f;
    }
};

static_assert(Format<Int4>);
static_assert(Int4::encode(0) == 8 && Int4::encode(7.5f) == 15 && Int4::encode(-8.5f) == 0);
static_assert(Int4::encode(.5f) == 8 && Int4::encode(1.5f) == 10 && Int4::encode(-.5f) == 8);

}  // namespace hb
