// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers (splitmix64 of seed and counter): the n-th number depends on the
// seed and n alone, so any cut of the work draws the same values.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace hb {

constexpr std::uint64_t mix64(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

struct Random {
    std::uint64_t seed = 0, counter = 0;

    constexpr std::uint64_t bits() { return mix64(mix64(seed) ^ mix64(~counter++)); }
    constexpr double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }  // [0, 1)
    float normal() {
        const double radius = std::sqrt(-2 * std::log(1 - uniform()));
        return static_cast<float>(radius * std::cos(2 * std::numbers::pi * uniform()));
    }
};

}  // namespace hb
