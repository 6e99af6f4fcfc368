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

// round: of an fp32 to the bf16 in its high half
template <class Round>
inline void store_block(V low, V high, std::uint16_t* narrow, float* wide, Round round) {
    if (!narrow) return store_pairs(wide, low, high);
    const N both = right<16>(round(low)) | (round(high) & set(0xffff0000u));
    store(reinterpret_cast<std::uint32_t*>(narrow), both);
}

// of row r; `scales` are those of the columns
inline V finished(const Finish& f, std::int64_t r, V acc, V c, V bias, V scales) {
    V scaled = (f.column_scales ? set(f.alpha) * scales : set(f.alpha)) * acc;
    if (f.row_scales) scaled = scaled * set(f.row_scales[r]);
    const V sum = f.add ? c + scaled : scaled;
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
            store(c + i, finished(f, r, load(acc + i), f.add ? load(c + i) : zero,
                                  f.bias ? load(f.bias + i) : zero,
                                  f.column_scales ? load(f.column_scales + i) : zero));
        }
        if (rest == 0) continue;
        store_first(c + whole, rest,
                    finished(f, r, load_first(acc + whole, rest), load_first(c + whole, rest),
                             f.bias ? load_first(f.bias + whole, rest) : zero,
                             f.column_scales ? load_first(f.column_scales + whole, rest) : zero));
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

inline V round_sixteen(V x, std::uint16_t* out) {
    const N rounded = round_bits(x);
    store_upper(out, rounded);
    return floats(rounded & set(0xffff0000u));
}

void to_bf16(float* x, std::int64_t n, std::uint16_t* out) {
    const std::int64_t whole = n / 16 * 16;
    const int rest = static_cast<int>(n - whole);
    for (std::int64_t i = 0; i < whole; i += 16) store(x + i, round_sixteen(load(x + i), out + i));
    std::uint16_t last[16];
    store_first(x + whole, rest, round_sixteen(load_first(x + whole, rest), last));
    for (int i = 0; i < rest; ++i) out[whole + i] = last[i];
}

void from_bf16(const std::uint16_t* x, std::int64_t n, float* out) {
    const std::int64_t whole = n / 16 * 16;
    const int rest = static_cast<int>(n - whole);
    for (std::int64_t i = 0; i < whole; i += 16) store(out + i, widen(x + i));
    std::uint16_t last[16] = {};
    for (int i = 0; i < rest; ++i) last[i] = x[whole + i];
    store_first(out + whole, rest, widen(last));
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

void silu_multiply(const float* gate, float alpha, const float* up, float beta, std::int64_t n,
                   float* out) {
    const V a = set(alpha), b = set(beta);
    std::int64_t i = 0;
    for (; i + 16 <= n; i += 16) store(out + i, silu(a * load(gate + i), b * load(up + i)));
    const int rest = static_cast<int>(n - i);
    store_first(out + i, rest, silu(a * load_first(gate + i, rest), b * load_first(up + i, rest)));
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
