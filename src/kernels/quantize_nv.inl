// SPDX-License-Identifier: Apache-2.0
// The NV rules of schemes/rules_nv.cpp for sixteen groups of 16.
#pragma once

#include "kernels/quantize.inl"
#include "schemes/nv_targets.hpp"

namespace hb {
namespace {

// NV: nearest E4M3 code of s >= 0, at least 1; and the value of a code.
inline N nearest_code(V s) {
    const N u = bits(s);
    const N small = bits(s + set(0x1p14f)) - set(0x46800000u);
    const N normal = right<20>(u + set(0x7ffffu) + (right<20>(u) & set(1u))) - set(960u);
    const N code = select(less(u, set(0x3c800000u)), small, normal);
    return max(select(less(u, set(0x43e00000u)), code, set(0x7eu)), set(1u));
}

inline V decode_normal(N code) {
    return floats(left<20>(code + set(960u)));
}

inline V decode_code(N code) {
    return select(less(code, set(8u)), to_float(code) * set(0x1p-9f), decode_normal(code));
}

// Squared error of the groups, whose magnitudes are m and times the divisor y, under scale /
// divisor: the bits of the specification.
inline V nv_error(const Batch<16>& b, V scale, V divisor) {
    const V unit = scale / divisor, reciprocal = set(1.f) / unit;
    const bool plain = plain_divisors(unit);
    V lanes[16];
    for (int e = 0; e < 16; ++e) {
        const V m = load(b.magnitudes[e]);
        const V q = round_magnitude(plain ? quotient(m, unit, reciprocal) : m / unit);
        const V d = fnma(q, scale, m * divisor);
        lanes[e] = d * d;
    }
    return tree_sum(lanes);
}

// The same over divisor^2, nearly. Kept: no magnitude reaches 31 quarters of the unit.
template <bool Kept>
V nv_estimate(const Batch<16>& b, V quarter) {
    const V reciprocal = set(1.f) / quarter, top = set(31.f) * quarter;
    V sums[4] = {set(0.f), set(0.f), set(0.f), set(0.f)};
    for (int e = 0; e < 16; ++e) {
        const V m = load(b.magnitudes[e]);
        const V d = fnma(near_magnitude(Kept ? m : min(m, top), reciprocal), quarter, m);
        sums[e % 4] = fma(d, d, sums[e % 4]);
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Candidate codes, offered from the highest down, of which the lowest of the least error is wanted.
// All are estimated; those whose estimates are too close to the least to tell are compared by the
// specification's error.
//
// How close: let A be the largest magnitude, u = 2^-24 and m - q S, S = scale / divisor, the exact
// difference. The specification's is off by u m (m times divisor is rounded), the estimate's by
// 2 u q S <= 4 u m (its unit), and where m is so near a tie that the two choose differently, which
// takes a relative distance below 6 u, their sizes differ by 12 u m. So the roots of the two sums
// differ by at most D = sqrt(16) 17 u A, but for the rounding of squares and sums, below 2^-19 of
// them. With e the least estimate, the best has an estimate of at most (sqrt(e) + 2 D)^2, that is e
// + 136 u 2 A sqrt(e) + 4 D^2, and 2 A sqrt(e) <= A^2 / 8 + 8 e. The limit allows twice as much.
// Where there are two candidates, divisor * A > 2^-9: no square here is out of range.
struct NvCandidates {
    static constexpr int kMost = 16;  // [.5, 1.6] a holds at most 15
    int count = 0;
    N codes[kMost];
    V errors[kMost];
};

struct NvSearch {
    const Batch<16>& batch;
    V divisor, largest, quarter_inverse, margin;
    V least = infinity(), second = infinity();
    N code = set(0u);  // of the least
    NvCandidates all;

    NvSearch(const Batch<16>& b, V g)
        : batch(b),
          divisor(g),
          largest(floats(b.largest)),
          quarter_inverse(set(.25f) / g),
          margin(largest * largest * set(0x1p-18f)) {}

    static V infinity() { return floats(set(kExponentMask)); }

    V limit() const { return fma(least, set(1 + 0x1p-13f), margin); }

    // True when no code from c up is subnormal and no magnitude reaches 31 quarters of its unit.
    bool plain(N c) const {
        const V quarter = decode_code(c) * quarter_inverse;
        return !any(less(c, set(8u))) && !any(less(set(31.f) * quarter, largest));
    }

    // False when no lane of `valid` could win under this code or a lower one: what the largest
    // magnitude loses above 6 only grows.
    bool open(N c, M valid) const {
        const V cut = max(fnma(decode_code(c) * quarter_inverse, set(24.f), largest), set(0.f));
        return any(less_equal(cut * cut, limit()) & valid);
    }

    void offer(N c, V e) {
        all.codes[all.count] = c;
        all.errors[all.count++] = e;
        code = select(less(e, least), c, code);
        second = min(second, max(e, least));
        least = min(e, least);
    }

    void offer(N c, M valid) {
        const V e = nv_estimate<false>(batch, decode_code(c) * quarter_inverse);
        offer(c, select(valid, e, infinity()));
    }

    V plain_estimate(N c) const {
        return nv_estimate<true>(batch, decode_normal(c) * quarter_inverse);
    }

    N best() const {
        const V most = limit();
        const M unclear = less_equal(second, most);
        return any(unclear) ? compare(most, unclear) : code;
    }

    [[gnu::always_inline]] N compare(V most, M unclear) const {
        V error = infinity();
        N chosen = code;
        for (int i = all.count; i-- > 0;) {
            const M near = less_equal(all.errors[i], most) & unclear;
            if (!any(near)) continue;
            const V e = nv_error(batch, decode_code(all.codes[i]), divisor);
            const M better = less(e, error) & near;
            error = select(better, e, error);
            chosen = select(better, all.codes[i], chosen);
        }
        return chosen;
    }
};

template <Reads What, class Choose>
bool nv_quantize(const float* x, std::int64_t n, float divisor, float* y, Choose choose) {
    return quantize_groups<16, What>(
        x, n, divisor, y, 0, power_bits(60), [&](const Batch<16>& b, float g) {
            const N code = choose(b, floats(b.largest), set(g));
            return decode_code(select(less(b.largest, set(1u)), set(0x20u), code));
        });
}

// divisor * (largest / t)
inline V nv_scale(V largest, V divisor, float t) {
    return divisor * quotient(largest, set(t), set(1 / t));
}

bool nv_absmax(const float* x, std::int64_t n, float divisor, float* y) {
    return nv_quantize<Reads::largest>(x, n, divisor, y, [](const Batch<16>&, V a, V g) {
        return nearest_code(nv_scale(a, g, 6));
    });
}

// Targets from the largest down: codes from the lowest up, of which many are equal.
template <std::size_t Count>
N best_target(const Batch<16>& batch, V largest, V divisor, const float (&targets)[Count]) {
    N codes[Count];
    for (std::size_t i = 0; i < Count; ++i)
        codes[i] = nearest_code(nv_scale(largest, divisor, targets[i]));
    NvSearch search(batch, divisor);
    const bool plain = search.plain(codes[0]);
    N last = set(0x7fu);
    for (std::size_t i = Count; i-- > 0; last = codes[i]) {
        const M fresh = less(codes[i], last);
        if (plain)
            search.offer(codes[i],
                         select(fresh, search.plain_estimate(codes[i]), NvSearch::infinity()));
        else
            search.offer(codes[i], fresh);
    }
    return search.best();
}

template <std::size_t Count>
bool nv_targets(const float* x, std::int64_t n, float divisor, float* y,
                const float (&targets)[Count]) {
    static_assert(Count <= NvCandidates::kMost);
    return nv_quantize<Reads::magnitudes>(x, n, divisor, y, [&](const Batch<16>& b, V a, V g) {
        return best_target(b, a, g, targets);
    });
}

bool nv_four_over_six(const float* x, std::int64_t n, float divisor, float* y) {
    return nv_targets(x, n, divisor, y, kFourOverSix);
}
bool nv_sweep4(const float* x, std::int64_t n, float divisor, float* y) {
    return nv_targets(x, n, divisor, y, kSweep4);
}
bool nv_sweep8(const float* x, std::int64_t n, float divisor, float* y) {
    return nv_targets(x, n, divisor, y, kSweep8);
}

// Below the eight highest codes, that is below about .8 a, the cut of the largest magnitude mostly
// ends the search.
inline N best_of_all(const Batch<16>& batch, V largest, V divisor) {
    const V a = nv_scale(largest, divisor, 6), from = set(.5f) * a, to = set(1.6f) * a;
    const N one = set(1u);
    N low = nearest_code(from), high = nearest_code(to);
    low = select(less(low, high) & less(decode_code(low), from), low + one, low);
    high = select(less(low, high) & less(to, decode_code(high)), high - one, high);
    NvSearch search(batch, divisor);
    N code = high;
    const N eighth = high - set(7u);
    if (!any(less(eighth, low)) && search.plain(eighth)) {
        for (int i = 0; i < 8; ++i, code = code - one)
            search.offer(code, search.plain_estimate(code));
    }
    M valid = less(low, code + one);
    while (any(valid) && search.open(max(code, low), valid)) {
        search.offer(max(code, low), valid);
        code = code - one;
        valid = less(low, code + one);
    }
    return search.best();
}

bool nv_sweep(const float* x, std::int64_t n, float divisor, float* y) {
    return nv_quantize<Reads::magnitudes>(x, n, divisor, y, best_of_all);
}

}  // namespace
}  // namespace hb
