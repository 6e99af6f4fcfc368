// SPDX-License-Identifier: Apache-2.0
// A right side in Q8_0, expanded in registers. Its numbers are x = code * scale, exact in fp32, then
// rounded to bf16, to nearest and ties to even:
//
//     p = +-2^e, x's sign and power of two;    (x + 2^16 p) - 2^16 p
//
// as neighbours of 2^16 p lie 2^(e-7) apart, where x is as a bf16. No number on the way leaves the
// fp32 range, since scales are finite: |x| is 0 or from 2^-24 to 2^23. Zero becomes +0.
#pragma once

#include "kernels/table.hpp"

namespace hb {
namespace {

inline V nearest_bf16(V x) {
    const V power = floats(bits(x) & set(0xff800000u)), far = set(0x1p16f);
    return fnma(power, far, fma(power, far, x));
}

template <Coding C, bool Late>
struct CodedB;

template <>
struct CodedB<Coding::q8, false> {
    const std::uint8_t* p = nullptr;
    bool moderate = false;
    V scale = {};

    void start() { scale = f16_floats(p + kTile); }
    template <int T>
    void pair(int q, V& even, V& odd) const {
        const std::uint8_t* codes = p + 32 * (4 * q + T);
        even = nearest_bf16(signed_floats(codes) * scale);
        odd = nearest_bf16(signed_floats(codes + 16) * scale);
    }
    V sum(V even, V odd) const { return even + odd; }
    void finish() {}
    void advance() { p += coded_bytes(Coding::q8); }
};

}  // namespace
}  // namespace hb
