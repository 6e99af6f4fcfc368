// SPDX-License-Identifier: Apache-2.0
// A right side in codes, expanded in registers: 4-bit ones here. Its numbers are element * scale,
// exact. Where that gives the same bits, a block's sums are made of the elements alone and scaled
// at its end:
//
//   MX  (s0 + s1) 2^e: always, as long as no number on the way leaves the fp32 range;
//   NV  s0 scale0 + s1 scale1: when the sums are exact with and without the scale. Elements are up
//       to 12 halves, scales up to 15 units of their own: 16 products of left numbers up to 2^12
//       units sum up to less than 2^24. Left sides in NVFP4 are such, at most 180 units.
//
// scale_late() looks whether the left side is fit for it.
#pragma once

#include "kernels/table.hpp"

#include "kernels/coded_int8.inl"
#include "kernels/coded_q8.inl"

namespace hb {
namespace {

inline V e8m0(N a) {
    const N power = max(left<23>(a), set(0x00400000u));
    return floats(select(less(set(254u), a), set(0x7fc00000u), power));
}

inline V e4m3(N a) {
    const N magnitude = a & set(0x7fu), sign = left<24>(a & set(0x80u));
    const N shifted = left<20>(magnitude);
    const V small = floats(shifted + set(121u << 23)) - set(0x1p-6f);
    N value = select(less(magnitude, set(8u)), bits(small), shifted + set(120u << 23));
    value = select(less(set(0x7eu), magnitude), set(0x7fc00000u), value);
    return floats(value | sign);
}

// Scales of the block at p. Moderate E4M3 scales, moved to the place of an f16, are 2^-8 times what
// they should be.
template <Coding C>
void scales_of(const std::uint8_t* p, bool moderate, V (&scale)[2]) {
    p += kCodeBytes;
    if constexpr (C == Coding::mx) {
        scale[0] = scale[1] = e8m0(widen(p));
    } else if (moderate) {
        scale[0] = half_floats<7>(p) * set(256.f);
        scale[1] = half_floats<7>(p + 16) * set(256.f);
    } else {
        scale[0] = e4m3(widen(p));
        scale[1] = e4m3(widen(p + 16));
    }
}

template <class F>
[[gnu::always_inline]] inline void four_times(F f) {
    f.template operator()<0>();
    f.template operator()<1>();
    f.template operator()<2>();
    f.template operator()<3>();
}

template <Coding C, bool Late>
struct CodedB {
    const std::uint8_t* p = nullptr;
    bool moderate = false;
    V scale[2] = {};

    void start() {
        if constexpr (!Late) scales_of<C>(p, moderate, scale);
    }
    // Byte I of the words of part q, at the bottom of each.
    template <int I>
    N bytes(int q) const {
        return held(load(reinterpret_cast<const std::uint32_t*>(p + 64 * q + I)));
    }
    // Pair 4 q + T.
    template <int T>
    void pair(int q, V& even, V& odd) const {
        const N low = bytes<T / 2>(q), high = bytes<T / 2 + 2>(q);
        even = element(T % 2 ? right<4>(low) : low);
        odd = element(T % 2 ? right<4>(high) : high);
        if constexpr (!Late) {
            even = even * scale[0];
            odd = odd * scale[1];
        }
    }
    V sum(V even, V odd) {
        if constexpr (!Late) return even + odd;
        if constexpr (C == Coding::mx) return (even + odd) * scale[0];
        return even * scale[0] + odd * scale[1];
    }
    void finish() {
        if constexpr (Late) scales_of<C>(p, true, scale);
    }
    void advance() { p += coded_bytes(C); }
};

constexpr float kLeast = 0x1p-40f, kMost = 0x1p40f;

inline bool outside(N magnitude) {
    return any(less(bits(set(kMost)), magnitude)) ||
           any(less(magnitude, bits(set(kLeast))) & less(set(0u), magnitude));
}

inline bool rounds(V x, V magic) {
    const V rounded = (x + magic) - magic;
    return any(less(x, rounded)) || any(less(rounded, x));
}

// Whether a block of the left side is fit for scaling late: no number is too small or large, and
// for NV each group's are multiples of 2^-11 of its largest one's power of two.
template <Coding C>
bool scale_late(const float* a) {
    const V x = load(a), y = load(a + 16);
    const N sign = set(0x7fffffffu), p = bits(x) & sign, q = bits(y) & sign;
    if (outside(p) || outside(q)) return false;
    if constexpr (C == Coding::mx) return true;
    V top = max(floats(p), floats(q));  // lane order: even lanes hold one group, odd the other
    top = max(top, swap_lanes<2>(top));
    top = max(top, swap_lanes<4>(top));
    top = max(top, swap_lanes<8>(top));
    const V magic = floats(bits(top) & set(0x7f800000u)) * set(0x1.8p12f);
    return !rounds(x, magic) && !rounds(y, magic);
}

// f(even, odd) for the pairs of a coded panel's blocks, in order.
template <Coding C, class F>
[[gnu::always_inline]] inline void each_pair(CodedB<C, false> b, std::int64_t blocks, F f) {
    for (std::int64_t block = 0; block < blocks; ++block, b.advance()) {
        b.start();
        for (int q = 0; q < 4; ++q) {
            four_times([&]<int T>() {
                V even, odd;
                b.template pair<T>(q, even, odd);
                f(even, odd);
            });
        }
    }
}

// Blocks of a coded panel as tiles of bf16.
template <Coding C>
void expand_tiles(const std::uint8_t* from, bool moderate, std::int64_t blocks,
                  std::uint16_t* out) {
    each_pair(CodedB<C, false>{from, moderate}, blocks, [&](V even, V odd) {
        store(reinterpret_cast<std::uint32_t*>(out),
              right<16>(bits(even)) | (bits(odd) & set(0xffff0000u)));
        out += 32;
    });
}

void expand(const std::uint8_t* from, Coding coding, bool moderate, std::int64_t blocks,
            std::uint16_t* out) {
    if (coding == Coding::mx)
        expand_tiles<Coding::mx>(from, moderate, blocks, out);
    else if (coding == Coding::nv)
        expand_tiles<Coding::nv>(from, moderate, blocks, out);
    else if (coding == Coding::int8)
        expand_tiles<Coding::int8>(from, moderate, blocks, out);
    else
        expand_tiles<Coding::q8>(from, moderate, blocks, out);
}

}  // namespace
}  // namespace hb
