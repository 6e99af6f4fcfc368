// SPDX-License-Identifier: Apache-2.0
// A right side in Q8_0, expanded in registers. A code is stored plus 128, so that as the byte above
// the lowest of a mantissa it is the number 2^15 + 128 + code; one fma makes x = code * scale of
// it, exact, and +0 of code 0. Then x is rounded to bf16, to nearest and ties to even:
//
//     t = x (2^16 + 1), rounded to fp32;    t - 2^16 x
//
// With 2^e <= |x| < 2^(e+1), t lies between 2^(e+16) and 2^(e+17), where neighbours are 2^(e-7)
// apart, as those of x in bf16; 2^16 x is an even multiple of that, as x has no more than 18 bits.
// t could reach beyond 2^(e+17) only if |x| were 2^17 - 1 times a power of two, or more bits were
// ones; but that is a prime, and no product of a code and a scale of 11 bits. No number on the way
// leaves the fp32 range, since scales are finite: |x| is 0 or from 2^-24 to 2^23.
#pragma once

#include "kernels/table.hpp"

namespace hb {
namespace {

template <Coding C, bool Late>
struct CodedB;

template <bool Late>
struct CodedB<Coding::q8, Late> {
    static constexpr int kBytes = coded_bytes(Coding::q8);
    const std::uint8_t* p = nullptr;
    bool moderate = false;
    V scale = {}, shift = {};

    void start() {
        if constexpr (Late) return;
        scale = f16_floats(p + kTile);
        shift = scale * set(-32896.f);
    }
    // The codes in the second byte of the words.
    V number(N words) const {
        const V biased = floats((words & set(0xff00u)) | set(0x47000000u));
        if constexpr (Late) return biased - set(32896.f);
        const V x = fma(biased, scale, shift);
        return fnma(x, set(65536.f), x * set(65537.f));
    }
    // Pair 4 q + T.
    template <int T>
    void pair(int q, V& even, V& odd) const {
        const std::uint8_t* line = p + 64 * (2 * q + T / 2);
        const auto at = [&](int byte) {
            return held(load(reinterpret_cast<const std::uint32_t*>(line + byte)));
        };
        if constexpr (T % 2 == 0) {
            const N words = at(0);
            even = number(left<8>(words));
            odd = number(words);
        } else {
            even = number(at(1));
            odd = number(at(2));
        }
    }
    V sum(V even, V odd) const { return Late ? (even + odd) * scale : even + odd; }
    void finish() {
        if constexpr (Late) scale = f16_floats(p + kTile);
    }
    void advance() { p += kBytes; }
};

}  // namespace
}  // namespace hb
