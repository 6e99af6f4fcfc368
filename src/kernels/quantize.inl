// SPDX-License-Identifier: Apache-2.0
// Online quantization of activations, sixteen groups at a time: the magnitudes are transposed so that lane
// g of vector e is element e of group g, every candidate scale is tried on all sixteen groups at once, and
// the elements are then rounded where they lie. Bit for bit quantize_activation() of schemes/: the rules'
// formulas and the order of their sums are those of rules_mx.cpp, rules_nv.cpp and squared_error.hpp. What
// lies outside the ranges in which every step below is exact is refused (false), for the reference to do.
namespace hb {
namespace {

constexpr std::uint32_t kExponentMask = 0x7f800000u;

constexpr std::uint32_t power_bits(int e) { return static_cast<std::uint32_t>(e + 127) << 23; }

inline V tree_sum(V (&lanes)[16]) {
    return tree(lanes, [](V a, V b) { return a + b; });
}

// Nearest E2M1 magnitude of a >= 0: the spacing is half the power of two below max(a, 1).
[[gnu::always_inline]] inline V round_magnitude(V a) {
    const V inside = min(a, set(6.f));
    const N power = bits(max(inside, set(1.f))) & set(kExponentMask);
    const V magic = floats(power + set(22u << 23));
    return (inside + magic) - magic;
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

// Stored scale times elements: y = round(x / (scale / divisor)) * scale
template <int Group>
void round_groups(const float* x, int groups, V scale, float divisor, float* y) {
    alignas(64) float scales[16], units[16];
    store(scales, scale);
    store(units, scale / set(divisor));
    const N sign = set(0x80000000u);
    for (int g = 0; g < groups; ++g) {
        const V s = set(scales[g]), unit = set(units[g]);
        for (int i = g * Group; i < (g + 1) * Group; i += 16) {
            const V v = load(x + i);
            const V q = round_magnitude(floats(bits(v / unit) & set(0x7fffffffu)));
            store(y + i, floats(bits(q) | (bits(v) & sign)) * s);
        }
    }
}

inline bool within(N largest, std::uint32_t low, std::uint32_t high) {
    const N inside = select(less(largest, set(1u)), set(low), largest);
    return !any(less(inside, set(low))) && !any(less(set(high), inside));
}

// Choose: Batch, divisor -> the sixteen scales. Limits: magnitudes between which a rule is exact.
template <int Group, class Choose>
bool quantize_groups(const float* x, std::int64_t n, float divisor, float* y, std::uint32_t low,
                     std::uint32_t high, Choose choose) {
    if (!(divisor >= 0x1p-40f && divisor <= 0x1p40f)) return false;
    alignas(64) float tail[16 * Group];
    Batch<Group> batch;
    for (std::int64_t i = 0; i < n; i += 16 * Group) {
        const int count = static_cast<int>(n - i < 16 * Group ? n - i : 16 * Group);
        const float* from = x + i;
        if (count < 16 * Group) {
            for (int k = 0; k < 16 * Group; k += 16) store(tail + k, k < count ? load(from + k) : set(0.f));
            from = tail;
        }
        load_batch(from, batch);
        if (!within(batch.largest, low, high)) return false;
        round_groups<Group>(from, count / Group, choose(batch, divisor), divisor, y + i);
    }
    return true;
}

// MX: 2^(e-2), or twice that when the magnitude's fraction is at least `raise_from`.
inline V mx_scale(N biased) { return floats(left<23>(biased)); }

inline N mx_or_one(N largest, N biased) {
    return select(less(largest, set(1u)), set(127u), biased);
}

template <class Choose>
bool mx_quantize(const float* x, std::int64_t n, float divisor, float* y, Choose choose) {
    return quantize_groups<32>(x, n, divisor, y, power_bits(-100), power_bits(100), choose);
}

template <int Below, std::uint32_t RaiseFrom>
bool mx_from_magnitude(const float* x, std::int64_t n, float divisor, float* y) {
    return mx_quantize(x, n, divisor, y, [](const Batch<32>& b, float) {
        const N fraction = b.largest & set(0x7fffffu);
        const N raise = select(less(fraction, set(RaiseFrom)), set(0u), set(1u));
        return mx_scale(mx_or_one(b.largest, right<23>(b.largest) - set(std::uint32_t{Below}) + raise));
    });
}

constexpr std::uint32_t kNever = 0x800000u, kFraction175 = 0x600000u, kAbove15 = 0x400001u,
                        kAbove18125 = 0x680001u;

inline V squared_error_of(const float (&y)[32][16], float up, float down) {
    V lanes[16];
    for (int e = 0; e < 16; ++e) {
        const V first = load(y[e]), second = load(y[e + 16]);
        const V d = fnma(round_magnitude(first * set(down)), set(up), first);
        const V f = fnma(round_magnitude(second * set(down)), set(up), second);
        lanes[e] = fma(f, f, d * d);
    }
    return tree_sum(lanes);
}

template <int Below>
bool mx_best_of_three(const float* x, std::int64_t n, float divisor, float* y) {
    return mx_quantize(x, n, divisor, y, [](Batch<32>& b, float g) {
        const N centre = mx_or_one(b.largest, right<23>(b.largest) - set(std::uint32_t{Below}));
        const V unit = mx_scale(centre) / set(g);
        for (auto& m : b.magnitudes) store(m, load(m) / unit);
        const V low = squared_error_of(b.magnitudes, .5f, 2), middle = squared_error_of(b.magnitudes, 1, 1),
                high = squared_error_of(b.magnitudes, 2, .5f);
        N best = select(less(middle, low), centre, centre - set(1u));
        best = select(less(high, min(middle, low)), centre + set(1u), best);
        return mx_scale(mx_or_one(b.largest, best));
    });
}

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

// Squared error of the groups, whose magnitudes are m and times the divisor y, under scale / divisor. The
// quotient is taken by a reciprocal and one correction, which rounds as a division does unless the
// divisor's fraction is next to all ones.
inline V nv_error(const Batch<16>& b, V scale, V divisor) {
    const V unit = scale / divisor, reciprocal = set(1.f) / unit;
    V lanes[16];
    if (any(less(set(0x7ffff0u), bits(unit) & set(0x7fffffu)))) {
        for (int e = 0; e < 16; ++e) {
            const V m = load(b.magnitudes[e]), d = fnma(round_magnitude(m / unit), scale, m * divisor);
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
    return quantize_groups<16>(x, n, divisor, y, 0, power_bits(60), [&](const Batch<16>& b, float g) {
        const N code = choose(b, floats(b.largest), set(g));
        return decode_code(select(less(b.largest, set(1u)), set(0x20u), code));
    });
}

bool nv_absmax(const float* x, std::int64_t n, float divisor, float* y) {
    return nv_quantize(x, n, divisor, y,
                       [](const Batch<16>&, V a, V g) { return nearest_code(g * (a / set(6.f))); });
}

template <std::size_t Count>
bool nv_targets(const float* x, std::int64_t n, float divisor, float* y, const float (&targets)[Count]) {
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
    return nv_targets(x, n, divisor, y, {6.f, 4.f});
}
bool nv_sweep4(const float* x, std::int64_t n, float divisor, float* y) {
    return nv_targets(x, n, divisor, y, {6.75f, 6.25f, 5.75f, 4.f});
}
bool nv_sweep8(const float* x, std::int64_t n, float divisor, float* y) {
    return nv_targets(x, n, divisor, y, {6.75f, 6.25f, 6.f, 5.75f, 5.5f, 4.5f, 4.25f, 4.f});
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

constexpr FastRules kFastRules = {
    mx_from_magnitude<2, kNever>,  mx_from_magnitude<2, kFraction175>, mx_from_magnitude<0, kNever>,
    mx_from_magnitude<2, kAbove15>, mx_from_magnitude<2, kAbove18125>, mx_best_of_three<2>,
    mx_best_of_three<0>,           nv_absmax,                          nv_four_over_six,
    nv_sweep4,                     nv_sweep8,                          nv_sweep,
};

}  // namespace
}  // namespace hb
