// SPDX-License-Identifier: Apache-2.0
// A format is a set of at most 256 numbers and a code for each. encode() gives the code of the
// nearest number; of two equally near ones the even code; beyond the ends the end. It never gives
// the code of a NaN for a number. Each format says what it makes of a NaN.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

namespace hb {

template <class F>
concept Format = requires(float x, std::uint8_t code) {
    { F::name } -> std::convertible_to<std::string_view>;
    { F::bits } -> std::convertible_to<int>;
    { F::max } -> std::convertible_to<float>;  // largest number
    { F::min } -> std::convertible_to<float>;  // smallest number
    { F::decode(code) } -> std::same_as<float>;
    { F::encode(x) } -> std::same_as<std::uint8_t>;
};

}  // namespace hb
