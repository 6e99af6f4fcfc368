// SPDX-License-Identifier: Apache-2.0
// Online quantization of activations, sixteen groups at a time: the magnitudes are transposed so
// that lane g of vector e is element e of group g, every candidate scale is tried on all sixteen
// groups at once, and the elements are then rounded where they lie. Bit for bit
// quantize_activation() of schemes/: the rules' formulas and the order of their sums are those of
// rules_mx.cpp, rules_nv.cpp and squared_error.hpp. What lies outside the ranges in which every
// step below is exact is refused (false), for the reference to do.
#pragma once

#include "kernels/rows.inl"

namespace hb {
namespace {

constexpr std::uint32_t kExponentMask = 0x7f800000u;

constexpr std::uint32_t power_bits(int e) {
    return static_cast<std::uint32_t>(e + 127) << 23;
}

inline V tree_sum(V (&lanes)[16]) {
    return tree(lanes, [](V a, V b) { return a + b; });
}

// Nearest E2M1 magnitude of a >= 0: the spacing is half the power of two below max(a, 1).
[[gnu::always_inline]] inline V round_magnitude(V a) {
    const V inside = min(a, set(6.f)), magic = set(0x1p22f);
    const V power = floats(bits(max(inside, set(1.f))) & set(kExponentMask));
    return fnma(power, magic, fma(power, magic, inside));
}

// a / b by the reciprocal of b and one correction. For plain_divisors(b) it lies on the same side
// of every tie of E2M1 as the rounded division, and for a target b of nv_targets.hpp it is equal to
// it: all fractions of b, or of a, were tried.
[[gnu::always_inline]] inline V quotient(V a, V b, V reciprocal) {
    const V q = a * reciprocal;
    return fma(fnma(q, b, a), reciprocal, q);
}

// Fractions not next to all ones, and no scale that takes a step of the correction out of range.
inline bool plain_divisors(V b) {
    return !any(less(set(0x7ffff0u), bits(b) & set(0x7fffffu))) &&
           !any(less(bits(b), set(power_bits(-60)))) && !any(less(set(power_bits(60)), bits(b)));
}

template <int Group>
struct Batch {
    alignas(64) float magnitudes[Group][16];
    N largest;
};

template <int Group>
void load_batch(const float* x, Batch<Group>& batch) {
    batch.largest = set(0u);
    for (int half = 0; half < Group; half += 16) {
        N r[16];
        for (int g = 0; g < 16; ++g) r[g] = bits(load(x + g * Group + half)) & set(0x7fffffffu);
        transpose(r);
        for (int e = 0; e < 16; ++e) {
            batch.largest = max(batch.largest, r[e]);
            store(batch.magnitudes[half + e], floats(r[e]));
        }
    }
}

// The same for a rule that reads `largest` alone.
template <int Group>
void load_largest(const float* x, Batch<Group>& batch) {
    N r[16];
    for (int g = 0; g < 16; ++g) {
        r[g] = bits(load(x + g * Group)) & set(0x7fffffffu);
        for (int i = 16; i < Group; i += 16)
            r[g] = max(r[g], bits(load(x + g * Group + i)) & set(0x7fffffffu));
    }
    transpose(r);
    batch.largest = tree(r, [](N a, N b) { return max(a, b); });
}

// What is left to do with a batch once its scales are known.
struct Rounding {
    const float* x = nullptr;
    float* y = nullptr;
    int groups = 0;
    bool plain = false;
    alignas(64) float scales[16], units[16], reciprocals[16];
};

inline void set_rounding(const float* x, int groups, V scale, float divisor, float* y,
                         Rounding& r) {
    const V unit = scale / set(divisor);
    r.x = x;
    r.y = y;
    r.groups = groups;
    r.plain = plain_divisors(unit);
    store(r.scales, scale);
    store(r.units, unit);
    store(r.reciprocals, set(1.f) / unit);
}

enum class Elements { e2m1, int8 };

// The nearest whole number, ties to even; zero is +0, as that of an int8.
inline V round_whole(V a) {
    const V magic = set(0x1.8p23f);
    return (a + magic) - magic;
}

// Stored scale times elements: y = round(x / (scale / divisor)) * scale. Units of int8 are powers
// of two, whose reciprocals are exact.
template <int Group, Elements Kind>
void round_groups(const Rounding& r) {
    const N sign = set(0x80000000u);
    for (int g = 0; g < r.groups; ++g) {
        const V s = set(r.scales[g]), unit = set(r.units[g]), reciprocal = set(r.reciprocals[g]);
        for (int i = g * Group; i < (g + 1) * Group; i += 16) {
            const V v = load(r.x + i), m = floats(bits(v) & set(0x7fffffffu));
            if constexpr (Kind == Elements::int8) {
                store(r.y + i, round_whole(v * reciprocal) * s);
                continue;
            }
            const V q = round_magnitude(r.plain ? quotient(m, unit, reciprocal) : m / unit);
            store(r.y + i, floats(bits(q) | (bits(v) & sign)) * s);
        }
    }
}

inline bool within(N largest, std::uint32_t low, std::uint32_t high) {
    const N inside = select(less(largest, set(1u)), set(low), largest);
    return !any(less(inside, set(low))) && !any(less(set(high), inside));
}

// What a rule reads of a batch.
enum class Reads { largest, magnitudes };

// Choose: Batch, divisor -> the sixteen scales. Limits: magnitudes between which a rule is exact.
template <int Group, Reads What, Elements Kind = Elements::e2m1, class Choose>
bool quantize_groups(const float* x, std::int64_t n, float divisor, float* y, std::uint32_t low,
                     std::uint32_t high, Choose choose) {
    if (!(divisor >= 0x1p-40f && divisor <= 0x1p40f)) return false;
    alignas(64) float tail[16 * Group];
    Batch<Group> batch;
    Rounding rounding;
    for (std::int64_t i = 0; i < n; i += 16 * Group) {
        const int count = static_cast<int>(n - i < 16 * Group ? n - i : 16 * Group);
        const float* from = x + i;
        if (count < 16 * Group) {
            for (int k = 0; k < 16 * Group; k += 16)
                store(tail + k, k < count ? load(from + k) : set(0.f));
            from = tail;
        }
        if constexpr (What == Reads::largest)
            load_largest(from, batch);
        else
            load_batch(from, batch);
        if (!within(batch.largest, low, high)) return false;
        round_groups<Group, Kind>(rounding);  // of the batch before: its divisions are done by now
        set_rounding(from, count / Group, choose(batch, divisor), divisor, y + i, rounding);
    }
    round_groups<Group, Kind>(rounding);
    return true;
}

}  // namespace
}  // namespace hb
