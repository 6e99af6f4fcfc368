// SPDX-License-Identifier: Apache-2.0
// Signed 8-bit integers -128..127, the code being the two's complement byte. NaN encodes as -128.
#pragma once

#include <cstdint>
#include <string_view>

#include "formats/concept.hpp"

namespace hb {

struct Int8 {
    static constexpr std::string_view name = "int8";
    static constexpr int bits = 8;
    static constexpr float max = 127, min = -128;

    static constexpr float decode(std::uint8_t code) {
        return static_cast<float>(static_cast<std::int8_t>(code));
    }

    static constexpr std::uint8_t encode(float x) {
        return static_cast<std::uint8_t>(static_cast<int>(round(x)));
    }

    static constexpr float round(float x) {
        const float above = x > min ? x : min;
        const float inside = above < max ? above : max;
        return (inside + 0x1.8p23f) - 0x1.8p23f;
    }
};

static_assert(Format<Int8>);
static_assert(Int8::encode(-128.5f) == 0x80 && Int8::encode(127.5f) == 0x7f &&
              Int8::encode(2.5f) == 2);

}  // namespace hb
