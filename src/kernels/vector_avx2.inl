// SPDX-License-Identifier: Apache-2.0
// The words of vector_avx512.inl with two 256-bit registers for one of 512.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace hb {
namespace {

constexpr int kRows = 3, kPanels = 1;  // of the multiply kernel: 12 of 16 registers are sums
constexpr int kCodedPanels = 2;        // of the kernel for one row by codes
constexpr int kThinPanels = 2;         // of the kernel for one row

struct V {
    __m256 low, high;
};
struct N {
    __m256i low, high;
};
struct M {
    __m256 low, high;
};
struct D {
    __m256d part[4];
};

inline V load(const float* p) {
    return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
inline void store(float* p, V a) {
    _mm256_storeu_ps(p, a.low);
    _mm256_storeu_ps(p + 8, a.high);
}
inline N load(const std::uint32_t* p) {
    const auto* q = reinterpret_cast<const __m256i*>(p);
    return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
inline void store(std::uint32_t* p, N a) {
    auto* q = reinterpret_cast<__m256i*>(p);
    _mm256_storeu_si256(q, a.low);
    _mm256_storeu_si256(q + 1, a.high);
}
inline V set(float x) {
    return {_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
inline N set(std::uint32_t x) {
    const __m256i v = _mm256_set1_epi32(static_cast<int>(x));
    return {v, v};
}
inline N count_up() {
    return {_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
            _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)};
}

inline V operator+(V a, V b) {
    return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
inline V operator-(V a, V b) {
    return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
inline V operator*(V a, V b) {
    return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
inline V operator/(V a, V b) {
    return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
inline V fma(V a, V b, V c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
inline V fnma(V a, V b, V c) {
    return {_mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high)};
}
inline V max(V a, V b) {
    return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}
inline V min(V a, V b) {
    return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
}
inline V ceiling(V a) {
    return {_mm256_ceil_ps(a.low), _mm256_ceil_ps(a.high)};
}

inline N operator+(N a, N b) {
    return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}
inline N operator-(N a, N b) {
    return {_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)};
}
inline N operator&(N a, N b) {
    return {_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high)};
}
inline N operator|(N a, N b) {
    return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)};
}
inline N max(N a, N b) {
    return {_mm256_max_epi32(a.low, b.low), _mm256_max_epi32(a.high, b.high)};
}
inline N min(N a, N b) {
    return {_mm256_min_epi32(a.low, b.low), _mm256_min_epi32(a.high, b.high)};
}
template <int S>
N left(N a) {
    return {_mm256_slli_epi32(a.low, S), _mm256_slli_epi32(a.high, S)};
}
template <int S>
N right(N a) {
    return {_mm256_srli_epi32(a.low, S), _mm256_srli_epi32(a.high, S)};
}
inline N bits(V a) {
    return {_mm256_castps_si256(a.low), _mm256_castps_si256(a.high)};
}
inline V floats(N a) {
    return {_mm256_castsi256_ps(a.low), _mm256_castsi256_ps(a.high)};
}
inline V to_float(N a) {
    return {_mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high)};
}

inline M less(V a, V b) {
    return {_mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ)};
}
inline M less_equal(V a, V b) {
    return {_mm256_cmp_ps(a.low, b.low, _CMP_LE_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_LE_OQ)};
}
inline M less(N a, N b) {
    return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(b.low, a.low)),
            _mm256_castsi256_ps(_mm256_cmpgt_epi32(b.high, a.high))};
}
inline M operator&(M a, M b) {
    return {_mm256_and_ps(a.low, b.low), _mm256_and_ps(a.high, b.high)};
}
inline V select(M m, V yes, V no) {
    return {_mm256_blendv_ps(no.low, yes.low, m.low), _mm256_blendv_ps(no.high, yes.high, m.high)};
}
inline N select(M m, N yes, N no) {
    return bits(select(m, floats(yes), floats(no)));
}
inline bool any(M m) {
    return (_mm256_movemask_ps(m.low) | _mm256_movemask_ps(m.high)) != 0;
}

inline M first(int n) {
    const N limit = set(static_cast<std::uint32_t>(n));
    return less(count_up(), limit);
}
inline V load_first(const float* p, int n) {
    const M m = first(n);
    return {_mm256_maskload_ps(p, _mm256_castps_si256(m.low)),
            _mm256_maskload_ps(p + 8, _mm256_castps_si256(m.high))};
}
inline void store_first(float* p, int n, V a) {
    const M m = first(n);
    _mm256_maskstore_ps(p, _mm256_castps_si256(m.low), a.low);
    _mm256_maskstore_ps(p + 8, _mm256_castps_si256(m.high), a.high);
}

inline V near_magnitude(V a, V b) {
    const V inside = min(a * b, set(24.f)), magic = set(0x1p22f);
    const V power = floats(bits(max(inside, set(4.f))) & set(0x7f800000u));
    return fnma(power, magic, fma(power, magic, inside));
}

inline V widen(const std::uint16_t* p) {
    const auto* q = reinterpret_cast<const __m128i*>(p);
    return floats(left<16>(N{_mm256_cvtepu16_epi32(_mm_loadu_si128(q)),
                             _mm256_cvtepu16_epi32(_mm_loadu_si128(q + 1))}));
}

inline void store_upper(std::uint16_t* p, N a) {
    const N high = right<16>(a);
    const __m256i mixed = _mm256_packus_epi32(high.low, high.high);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(mixed, 0xd8));
}

inline void store_bytes(std::uint8_t* p, N a) {
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(a.low, a.high), 0xd8);
    _mm_storeu_si128(
        reinterpret_cast<__m128i*>(p),
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
inline std::uint32_t largest(N a) {
    const __m256i eight = _mm256_max_epu32(a.low, a.high);
    __m128i four = _mm_max_epu32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0xb1));
    return static_cast<std::uint32_t>(_mm_cvtsi128_si32(four));
}

inline N widen(const std::uint8_t* p) {
    const auto* q = reinterpret_cast<const __m128i*>(p);
    return {_mm256_cvtepu8_epi32(_mm_loadl_epi64(q)),
            _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 8)))};
}
template <int S>
V half_floats(const std::uint8_t* p) {
    const __m256i words = _mm256_slli_epi16(
        _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))), S);
    return {_mm256_cvtph_ps(_mm256_castsi256_si128(words)),
            _mm256_cvtph_ps(_mm256_extracti128_si256(words, 1))};
}
inline V f16_floats(const std::uint8_t* p) {
    const auto* q = reinterpret_cast<const __m128i*>(p);
    return {_mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1))};
}
inline N held(N a) {
    asm("" : "+x"(a.low), "+x"(a.high));
    return a;
}
inline V element(N a) {
    const __m256 values = _mm256_setr_ps(0, .5f, 1, 1.5f, 2, 3, 4, 6);
    const N sign = left<28>(a) & set(0x80000000u);
    const V magnitude = {_mm256_permutevar8x32_ps(values, a.low),
                         _mm256_permutevar8x32_ps(values, a.high)};
    return floats(bits(magnitude) | sign);
}

inline void store_pairs(float* p, V a, V b) {
    const __m256 halves[2][2] = {{a.low, b.low}, {a.high, b.high}};
    for (const auto& [x, y] : halves) {
        const __m256 even = _mm256_unpacklo_ps(x, y), odd = _mm256_unpackhi_ps(x, y);
        _mm256_storeu_ps(p, _mm256_permute2f128_ps(even, odd, 0x20));
        _mm256_storeu_ps(p + 8, _mm256_permute2f128_ps(even, odd, 0x31));
        p += 16;
    }
}
inline void load_pairs(const float* p, V& a, V& b) {
    __m256 even[2], odd[2];
    for (int i = 0; i < 2; ++i) {
        const __m256 x = _mm256_loadu_ps(p + 16 * i), y = _mm256_loadu_ps(p + 16 * i + 8);
        const __m256 low = _mm256_permute2f128_ps(x, y, 0x20),
                     high = _mm256_permute2f128_ps(x, y, 0x31);
        even[i] = _mm256_shuffle_ps(low, high, 0x88);
        odd[i] = _mm256_shuffle_ps(low, high, 0xdd);
    }
    a = {even[0], even[1]};
    b = {odd[0], odd[1]};
}

inline D to_double(V a) {
    return {{_mm256_cvtps_pd(_mm256_castps256_ps128(a.low)),
             _mm256_cvtps_pd(_mm256_extractf128_ps(a.low, 1)),
             _mm256_cvtps_pd(_mm256_castps256_ps128(a.high)),
             _mm256_cvtps_pd(_mm256_extractf128_ps(a.high, 1))}};
}
inline V to_float(D a) {
    return {_mm256_set_m128(_mm256_cvtpd_ps(a.part[1]), _mm256_cvtpd_ps(a.part[0])),
            _mm256_set_m128(_mm256_cvtpd_ps(a.part[3]), _mm256_cvtpd_ps(a.part[2]))};
}
inline D set_double(double x) {
    const __m256d v = _mm256_set1_pd(x);
    return {{v, v, v, v}};
}
inline D operator+(D a, D b) {
    for (int i = 0; i < 4; ++i) a.part[i] = _mm256_add_pd(a.part[i], b.part[i]);
    return a;
}
inline D operator-(D a, D b) {
    for (int i = 0; i < 4; ++i) a.part[i] = _mm256_sub_pd(a.part[i], b.part[i]);
    return a;
}
inline D fma(D a, D b, D c) {
    for (int i = 0; i < 4; ++i) a.part[i] = _mm256_fmadd_pd(a.part[i], b.part[i], c.part[i]);
    return a;
}
inline void store(double* p, D a) {
    for (int i = 0; i < 4; ++i) _mm256_storeu_pd(p + 4 * i, a.part[i]);
}

template <int Distance>
V swap_lanes(V a) {
    if constexpr (Distance == 1)
        return {_mm256_permute_ps(a.low, 0xb1), _mm256_permute_ps(a.high, 0xb1)};
    if constexpr (Distance == 2)
        return {_mm256_permute_ps(a.low, 0x4e), _mm256_permute_ps(a.high, 0x4e)};
    if constexpr (Distance == 4) {
        return {_mm256_permute2f128_ps(a.low, a.low, 1), _mm256_permute2f128_ps(a.high, a.high, 1)};
    }
    return {a.high, a.low};
}
template <int Distance>
V add_or_subtract(V a, V b) {
    const V sum = a + b, difference = a - b;
    if constexpr (Distance == 8) return {sum.low, difference.high};
    constexpr int mask = Distance == 1 ? 0xaa : Distance == 2 ? 0xcc : 0xf0;
    return {_mm256_blend_ps(sum.low, difference.low, mask),
            _mm256_blend_ps(sum.high, difference.high, mask)};
}

inline void transpose_quarter(const N (&r)[16], int first_row, bool upper, __m256i (&out)[8]) {
    __m256i in[8], t[8];
    for (int i = 0; i < 8; ++i) in[i] = upper ? r[first_row + i].high : r[first_row + i].low;
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_epi32(in[i], in[i + 1]);
        t[i + 1] = _mm256_unpackhi_epi32(in[i], in[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        in[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
        in[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        in[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
        in[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; ++i) {
        out[i] = _mm256_permute2x128_si256(in[i], in[i + 4], 0x20);
        out[i + 4] = _mm256_permute2x128_si256(in[i], in[i + 4], 0x31);
    }
}
inline void transpose(N (&r)[16]) {
    __m256i a[8], b[8], c[8], d[8];
    transpose_quarter(r, 0, false, a);
    transpose_quarter(r, 8, false, b);
    transpose_quarter(r, 0, true, c);
    transpose_quarter(r, 8, true, d);
    for (int i = 0; i < 8; ++i) {
        r[i] = {a[i], b[i]};
        r[i + 8] = {c[i], d[i]};
    }
}

}  // namespace
}  // namespace hb
