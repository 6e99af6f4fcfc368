// SPDX-License-Identifier: Apache-2.0
// A left side quantized to MXFP4, from bf16 numbers to codes and back. A block holds m * 2^e for m
// in E2M1; counted in an eighth of the power of two of its largest number, its magnitudes are 0, 1,
// 2, 3, 4, 6, 8 or 12, which are E2M1's doubled, so that code and exponent can be read off the bits
// of bf16: from 2 on, code = 2 (exponent - unit) + first bit of the fraction.
#pragma once

#include "kernels/table.hpp"

namespace hb {
namespace {

// Bits of a magnitude without sign: code c of a block whose unit has the biased exponent `unit`.
inline N mx_magnitude(N c, N unit) {
    const N large = left<6>(c + left<1>(unit));
    return select(less(c, set(2u)), select(less(c, set(1u)), set(0u), left<7>(unit)), large);
}

inline N mx_code(N magnitude, N unit) {
    const N c = max(right<6>(magnitude) - left<1>(unit), set(1u));
    return select(less(magnitude, set(1u)), set(0u), c);
}

bool to_mx_codes(const std::uint16_t* x, std::int64_t blocks, std::uint8_t* out) {
    const N fifteen = set(0x7fffu), sign = set(8u);
    for (std::int64_t i = 0; i < blocks; ++i, x += kBlock, out += kMxRowBytes) {
        const N both = load(reinterpret_cast<const std::uint32_t*>(x)), upper = right<16>(both);
        const N low = both & fifteen, high = upper & fifteen;
        const std::uint32_t top = largest(max(low, high)) >> 7;
        if (top != 0 && (top < 4 || top > 254)) return false;
        const std::uint32_t unit = top ? top - 3 : 1;
        const N u = set(unit), a = mx_code(low, u), b = mx_code(high, u);
        if (any(less(mx_magnitude(a, u), low)) || any(less(low, mx_magnitude(a, u))) ||
            any(less(mx_magnitude(b, u), high)) || any(less(high, mx_magnitude(b, u))))
            return false;
        store_bytes(out, a | (right<12>(both) & sign) | left<4>(b | (right<12>(upper) & sign)));
        out[16] = static_cast<std::uint8_t>(unit);
    }
    return true;
}

void from_mx_codes(const std::uint8_t* codes, std::int64_t blocks, std::uint16_t* out) {
    const N seven = set(7u), sign = set(8u);
    for (std::int64_t i = 0; i < blocks; ++i, codes += kMxRowBytes, out += kBlock) {
        const N both = widen(codes), high = right<4>(both), unit = set(std::uint32_t{codes[16]});
        const N a = mx_magnitude(both & seven, unit) | left<12>(both & sign),
                b = mx_magnitude(high & seven, unit) | left<12>(high & sign);
        store(reinterpret_cast<std::uint32_t*>(out), a | left<16>(b));
    }
}

}  // namespace
}  // namespace hb
