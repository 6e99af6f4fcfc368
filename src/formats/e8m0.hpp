// SPDX-License-Identifier: Apache-2.0
// E8M0, the scale of OCP MX v1.0 (section 5.4.1): the byte b is 2^(b-127); 255 is NaN. Here
// encode() is nearest in value (1.5 * 2^k lies between two codes and goes to the even one); what is
// not above zero, and NaN, encodes as 0 = 2^-127. Byte 255 is never produced. The scale rules of
// schemes/ do not round a real scale this way: each takes its own power of two from the largest
// magnitude of a group.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

#include "formats/concept.hpp"

namespace hb {

struct E8M0 {
    static constexpr std::string_view name = "e8m0";
    static constexpr int bits = 8;
    static constexpr float max = 0x1p127f, min = 0x1p-127f;
    static constexpr std::uint8_t kNan = 255, kMaxCode = 254, kOne = 127;

    static constexpr float decode(std::uint8_t code) {
        if (code == kNan) return std::bit_cast<float>(0x7fc00000u);
        if (code == 0) return min;
        return std::bit_cast<float>(static_cast<std::uint32_t>(code) << 23);
    }

    static constexpr std::uint8_t encode(float x) {
        const auto u = std::bit_cast<std::uint32_t>(x);
        if (!(x > 0)) return 0;
        if (u < 0x00800000u) return u > 0x00600000u;  // between 2^-127 and 2^-126
        const std::uint32_t code = (u + 0x3fffffu + (u >> 23 & 1u)) >> 23;
        return static_cast<std::uint8_t>(code < kMaxCode ? code : kMaxCode);
    }
};

static_assert(Format<E8M0>);
static_assert(E8M0::encode(1) == 127 && E8M0::encode(1.5f) == 128 && E8M0::encode(3) == 128);
static_assert(E8M0::encode(0) == 0 && E8M0::encode(3e38f) == 254);

}  // namespace hb
