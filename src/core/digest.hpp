// SPDX-License-Identifier: Apache-2.0
// A 64-bit fingerprint of bytes, for noticing that an input changed. Not for adversaries.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "core/random.hpp"

namespace hb {

inline std::uint64_t digest(std::span<const std::byte> bytes, std::uint64_t seed = 0) {
    std::uint64_t lanes[4] = {seed ^ 1, seed ^ 2, seed ^ 3, seed ^ 4};
    std::size_t i = 0;
    for (; i + 32 <= bytes.size(); i += 32) {
        for (int lane = 0; lane < 4; ++lane) {
            std::uint64_t word;
            std::memcpy(&word, bytes.data() + i + 8 * lane, 8);
            lanes[lane] = (lanes[lane] ^ word) * 0x9e3779b97f4a7c15u;
            lanes[lane] ^= lanes[lane] >> 29;
        }
    }
    std::uint64_t h = bytes.size();
    for (; i < bytes.size(); ++i) h = (h ^ static_cast<std::uint64_t>(bytes[i])) * 0x100000001b3u;
    for (const auto lane : lanes) h = mix64(h ^ lane);
    return h;
}

inline std::uint64_t digest(std::string_view text, std::uint64_t seed = 0) {
    return digest(std::as_bytes(std::span(text.data(), text.size())), seed);
}

}  // namespace hb
