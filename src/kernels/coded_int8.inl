// SPDX-License-Identifier: Apache-2.0
// A right side of int8 codes, stored plus 128, expanded in registers. As the lowest byte of a
// mantissa under the exponent of 2^23 a stored code is the number 2^23 + 128 + code, as the second
// one under that of 2^15 it is 2^15 + 128 + code: no shift, and an exact subtraction, which gives
// +0 of code 0.
#pragma once

#include "kernels/table.hpp"

namespace hb {
namespace {

template <Coding C, bool Late>
struct CodedB;

template <>
struct CodedB<Coding::int8, false> {
    const std::uint8_t* p = nullptr;
    bool moderate = false;

    void start() {}
    // Pair 4 q + T.
    template <int T>
    void pair(int q, V& even, V& odd) const {
        N words = load(reinterpret_cast<const std::uint32_t*>(p + 64 * (2 * q + T / 2)));
        if constexpr (T % 2 == 1) words = right<16>(words);
        even = floats((words & set(0xffu)) | set(0x4b000000u)) - set(8388736.f);
        odd = floats((words & set(0xff00u)) | set(0x47000000u)) - set(32896.f);
    }
    V sum(V even, V odd) const { return even + odd; }
    void finish() {}
    void advance() { p += coded_bytes(Coding::int8); }
};

}  // namespace
}  // namespace hb
