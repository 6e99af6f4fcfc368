// SPDX-License-Identifier: Apache-2.0
// What is done to one row at a time: exp and everything made of it, sums in 16 strided lanes, lane
// order.
#pragma once

#include "kernels/table.hpp"

namespace hb {
namespace {

// e^x: n = x / ln 2 to nearest, r = x - n ln 2 in two steps, a polynomial of degree 7 in r, then n
// is added to the exponent. The same operations as exp_of() in ref.cpp.
// e^x between the bounds kExpLow and kExpHigh
inline V exp_inside(V x) {
    const V magic = set(12582912.f);
    const V shifted = fma(x, set(1.44269504f), magic), n = shifted - magic;
    const V r = fnma(n, set(-2.12194440e-4f), fnma(n, set(0.693359375f), x));
    V p = set(1.9875691500e-4f);
    p = fma(p, r, set(1.3981999507e-3f));
    p = fma(p, r, set(8.3334519073e-3f));
    p = fma(p, r, set(4.1665795894e-2f));
    p = fma(p, r, set(1.6666665459e-1f));
    p = fma(p, r, set(5.0000001201e-1f));
    p = fma(p, r * r, r) + set(1.f);
    return floats(bits(p) + left<23>(bits(shifted)));
}

inline V exp(V x) {
    const V high =
        select(less_equal(x, set(kExpHigh)), exp_inside(x), x + floats(set(0x7f800000u)));
    return select(less(x, set(kExpLow)), set(0.f), high);
}
// x <= 0, or the NaN that arithmetic makes
inline V exp_below_zero(V x) {
    return select(less(x, set(kExpLow)), set(0.f), exp_inside(x));
}

template <class T, class Add>
T tree(T (&lanes)[16], Add add) {
    for (int half = 8; half > 0; half /= 2) {
        for (int l = 0; l < half; ++l) lanes[l] = add(lanes[l], lanes[l + half]);
    }
    return lanes[0];
}

inline float sum(V v) {
    alignas(64) float lanes[16];
    store(lanes, v);
    return tree(lanes, [](float a, float b) { return a + b; });
}
inline float largest(V v) {
    alignas(64) float lanes[16];
    store(lanes, v);
    return tree(lanes, [](float a, float b) { return a > b ? a : b; });
}
inline double sum(D v) {
    alignas(64) double lanes[16];
    store(lanes, v);
    return tree(lanes, [](double a, double b) { return a + b; });
}

// fp32 -> bf16 in the high half of each lane; the low half is not cleared.
inline N round_bits(V x) {
    const N u = bits(x);
    const N rounded = u + set(0x7fffu) + (right<16>(u) & set(1u));
    const N quiet = u | set(0x400000u);
    return select(less(set(0x7f800000u), u & set(0x7fffffffu)), quiet, rounded);
}

// The same for numbers that are not negative, and the NaN that arithmetic makes.
inline N round_positive(V x) {
    const N u = bits(x);
    return u + set(0x7fffu) + (right<16>(u) & set(1u));
}

// round: of an fp32 to the bf16 in its high half
template <class Round>
inline void store_block(V low, V high, std::uint16_t* narrow, float* wide, Round round) {
    if (!narrow) return store_pairs(wide, low, high);
    const N both = right<16>(round(low)) | (round(high) & set(0xffff0000u));
    store(reinterpret_cast<std::uint32_t*>(narrow), both);
}

inline V finished(const Finish& f, V acc, V c, V bias) {
    const V scaled = set(f.alpha) * acc, sum = f.add ? c + scaled : scaled;
    return f.bias ? sum + bias : sum;
}

void finish(const Finish& f) {
    const std::int64_t whole = f.columns / 16 * 16;
    const int rest = static_cast<int>(f.columns - whole);
    const V zero = set(0.f);
    for (std::int64_t r = 0; r < f.rows; ++r) {
        const float* acc = f.acc + r * f.acc_stride;
        float* c = f.c + r * f.c_stride;
        for (std::int64_t i = 0; i < whole; i += 16) {
            store(c + i, finished(f, load(acc + i), f.add ? load(c + i) : zero,
                                  f.bias ? load(f.bias + i) : zero));
        }
        if (rest == 0) continue;
        store_first(c + whole, rest,
                    finished(f, load_first(acc + whole, rest), load_first(c + whole, rest),
                             f.bias ? load_first(f.bias + whole, rest) : zero));
    }
}

void to_lanes(const float* x, std::int64_t n, std::uint16_t* narrow, float* wide,
              std::int64_t step) {
    std::int64_t to = 0;
    for (std::int64_t i = 0; i < n; i += kBlock, to += step) {
        store_block(load(x + i), load(x + i + 16), narrow ? narrow + to : nullptr,
                    wide ? wide + to : nullptr, round_bits);
    }
}

void rms_norm(const float* x, const float* weight, float eps, std::int64_t n, float* y) {
    V squares = set(0.f);
    std::int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const V v = load(x + i);
        squares = fma(v, v, squares);
    }
    const int rest = static_cast<int>(n - i);
    const V last = load_first(x + i, rest);
    squares = fma(last, last, squares);
    const float mean = sum(squares) / static_cast<float>(n);
    const V scale = set(1 / __builtin_sqrtf(mean + eps));
    for (i = 0; i + 16 <= n; i += 16) store(y + i, load(x + i) * scale * load(weight + i));
    store_first(y + i, rest, last * scale * load_first(weight + i, rest));
}

inline V silu(V gate, V up) {
    return gate / (set(1.f) + exp(set(0.f) - gate)) * up;
}

void silu_multiply(const float* gate, const float* up, std::int64_t n, float* out) {
    std::int64_t i = 0;
    for (; i + 16 <= n; i += 16) store(out + i, silu(load(gate + i), load(up + i)));
    const int rest = static_cast<int>(n - i);
    store_first(out + i, rest, silu(load_first(gate + i, rest), load_first(up + i, rest)));
}

// x, or -infinity where a position from i on is not seen by the row.
inline V seen(const Softmax& s, int r, std::int64_t i, V x) {
    const V hidden = floats(set(0xff800000u));
    const N position = count_up() + set(static_cast<std::uint32_t>(i));
    const N begin = set(static_cast<std::uint32_t>(s.begin[r])),
            end = set(static_cast<std::uint32_t>(s.end[r]));
    return select(less(position, begin), hidden, select(less(position, end), x, hidden));
}

// Gives `one` the 16 scores at every place of a row's blocks in a chunk, those that are not seen
// as -infinity.
template <class One>
[[gnu::always_inline]] inline void each_seen(const Softmax& s, int r, std::int64_t chunk, One one) {
    std::int64_t first = s.begin[r] / kBlock * kBlock,
                 last = (s.end[r] + kBlock - 1) / kBlock * kBlock;
    if (first < chunk) first = chunk;
    if (last > chunk + kScoreColumns) last = chunk + kScoreColumns;
    float* at = s.scores + score_index(s, r, chunk) - chunk;
    std::int64_t whole = s.end[r] / 16 * 16;
    if (whole > last) whole = last;
    if (whole < s.begin[r] || first < s.begin[r]) whole = first;
    for (std::int64_t i = first; i < whole; i += 16) one(at + i, load(at + i));
    for (std::int64_t i = whole > first ? whole : first; i < last; i += 16)
        one(at + i, seen(s, r, i, load(at + i)));
}

inline void store_parts(const Softmax& s, const float (&parts)[kTileRows]) {
    for (std::int64_t i = 0; i < s.width; i += kBlock) {
        for (int r = 0; r < s.rows; ++r) {
            const bool seen = i + kBlock > s.begin[r] && i < s.end[r];
            const float* from = s.scores + score_index(s, r, i);
            const V part = set(parts[r]);
            const std::int64_t to = r / 16 * 16 * s.width + i / kBlock * s.step + r % 16 * kBlock;
            const V low = seen ? load(from) * part : set(0.f),
                    high = seen ? load(from + 16) * part : set(0.f);
            store_block(low, high, s.narrow ? s.narrow + to : nullptr,
                        s.wide ? s.wide + to : nullptr, round_positive);
        }
    }
}

// Chunk by chunk, so that memory is walked in order; a row sees its positions in order too.
void softmax(const Softmax& s) {
    alignas(64) float lanes[kTileRows][16];
    float tops[kTileRows], parts[kTileRows];
    const V scale = set(s.scale);
    for (int r = 0; r < s.rows; ++r) store(lanes[r], floats(set(0xff800000u)));
    for (std::int64_t chunk = 0; chunk < s.width; chunk += kScoreColumns) {
        for (int r = 0; r < s.rows; ++r) {
            V top = load(lanes[r]);
            each_seen(s, r, chunk, [&](float*, V x) { top = max(x, top); });
            store(lanes[r], top);
        }
    }
    for (int r = 0; r < s.rows; ++r) {
        tops[r] = largest(load(lanes[r])) * s.scale;
        store(lanes[r], set(0.f));
    }
    for (std::int64_t chunk = 0; chunk < s.width; chunk += kScoreColumns) {
        for (int r = 0; r < s.rows; ++r) {
            V total = load(lanes[r]);
            const V top = set(tops[r]);
            each_seen(s, r, chunk, [&](float* at, V x) {
                const V e = exp_below_zero(x * scale - top);
                store(at, e);
                total = total + e;
            });
            store(lanes[r], total);
        }
    }
    for (int r = 0; r < s.rows; ++r) parts[r] = 1 / sum(load(lanes[r]));
    store_parts(s, parts);
}

PartOfSum sum_exp(const float* x, std::int64_t n) {
    const V hidden = floats(set(0xff800000u));
    const std::int64_t whole = n / 16 * 16;
    const M tail = less(count_up(), set(static_cast<std::uint32_t>(n - whole)));
    const V last = select(tail, load_first(x + whole, static_cast<int>(n - whole)), hidden);
    V tops = last;
    for (std::int64_t i = 0; i < whole; i += 16) tops = max(load(x + i), tops);
    const float top = largest(tops);
    D total = set_double(0);
    for (std::int64_t i = 0; i < whole; i += 16)
        total = total + to_double(exp(load(x + i) - set(top)));
    total = total + to_double(exp(last - set(top)));
    return {top, sum(total)};
}

inline D kl_terms(V p, D lse_p, V q, D lse_q, D total) {
    const D log_p = to_double(p) - lse_p, log_q = to_double(q) - lse_q;
    return fma(to_double(exp(to_float(log_p))), log_p - log_q, total);
}

double kl_divergence(const float* p, double lse_p, const float* q, double lse_q, std::int64_t n) {
    const D a = set_double(lse_p), b = set_double(lse_q);
    D total = set_double(0);
    std::int64_t i = 0;
    for (; i + 16 <= n; i += 16) total = kl_terms(load(p + i), a, load(q + i), b, total);
    if (i == n) return sum(total);
    const int rest = static_cast<int>(n - i);
    const V hidden = set(-1e30f);  // e^x = 0 and a finite difference
    const M tail = less(count_up(), set(static_cast<std::uint32_t>(rest)));
    return sum(kl_terms(select(tail, load_first(p + i, rest), hidden), a,
                        select(tail, load_first(q + i, rest), hidden), b, total));
}

}  // namespace
}  // namespace hb
