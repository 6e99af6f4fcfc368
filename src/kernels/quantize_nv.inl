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

inline V decode_code(N code) {
    return select(less(code, set(8u)), floats(bits(to_float(code) * set(0x1p-9f))),
                  floats(left<20>(code + set(960u))));
}

// Squared error of the groups, whose magnitudes are m and times the divisor y, under scale /
// divisor. The quotient is taken by a reciprocal and one correction, which rounds as a division
// does unless the divisor's fraction is next to all ones.
inline V nv_error(const Batch<16>& b, V scale, V divisor) {
    const V unit = scale / divisor, reciprocal = set(1.f) / unit;
    V lanes[16];
    if (any(less(set(0x7ffff0u), bits(unit) & set(0x7fffffu)))) {
        for (int e = 0; e < 16; ++e) {
            const V m = load(b.magnitudes[e]),
                    d = fnma(round_magnitude(m / unit), scale, m * divisor);
            lanes[e] = d * d;
        }
        return tree_sum(lanes);
    }
    for (int e = 0; e < 16; ++e) {
        const V m = load(b.magnitudes[e]), q = m * reciprocal;
        const V exact = fma(fnma(q, unit, m), reciprocal, q);
        const V d = fnma(round_magnitude(exact), scale, m * divisor);
        lanes[e] = d * d;
    }
    return tree_sum(lanes);
}

struct Best {
    V error = floats(set(kExponentMask));  // infinity
    N code;

    void offer(V e, N c, M valid) {
        const M better = less(e, error) & valid;
        error = select(better, e, error);
        code = select(better, c, code);
    }
};

template <class Choose>
bool nv_quantize(const float* x, std::int64_t n, float divisor, float* y, Choose choose) {
    return quantize_groups<16>(
        x, n, divisor, y, 0, power_bits(60), [&](const Batch<16>& b, float g) {
            const N code = choose(b, floats(b.largest), set(g));
            return decode_code(select(less(b.largest, set(1u)), set(0x20u), code));
        });
}

bool nv_absmax(const float* x, std::int64_t n, float divisor, float* y) {
    return nv_quantize(x, n, divisor, y,
                       [](const Batch<16>&, V a, V g) { return nearest_code(g * (a / set(6.f))); });
}

template <std::size_t Count>
bool nv_targets(const float* x, std::int64_t n, float divisor, float* y,
                const float (&targets)[Count]) {
    return nv_quantize(x, n, divisor, y, [&](const Batch<16>& b, V a, V g) {
        Best best;
        best.code = nearest_code(g * (a / set(targets[0])));
        for (const float t : targets) {
            const N code = nearest_code(g * (a / set(t)));
            best.offer(nv_error(b, decode_code(code), g), code, less(set(0u), code));
        }
        return best.code;
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

bool nv_sweep(const float* x, std::int64_t n, float divisor, float* y) {
    return nv_quantize(x, n, divisor, y, [](const Batch<16>& b, V largest, V g) {
        const V a = g * (largest / set(6.f)), from = set(.5f) * a, to = set(1.6f) * a;
        const N one = set(1u);
        N low = nearest_code(from), high = nearest_code(to);
        low = select(less(low, high) & less(decode_code(low), from), low + one, low);
        high = select(less(low, high) & less(to, decode_code(high)), high - one, high);
        Best best;
        best.code = low;
        for (N code = low;; code = code + one) {
            const M valid = less(code, high + one);
            if (!any(valid)) return best.code;
            best.offer(nv_error(b, decode_code(min(code, high)), g), code, valid);
        }
    });
}

}  // namespace
}  // namespace hb
