// SPDX-License-Identifier: Apache-2.0
// Sixteen fp32 (V), sixteen 32-bit integers (N), sixteen answers (M) and sixteen fp64 (D) as
// AVX-512 registers. The task files (*.inl) are written in these words and in the sizes below.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace hb {
namespace {

constexpr int kRows = 6, kPanels = 2;  // of the multiply kernel: 24 of 32 registers are sums
constexpr int kCodedPanels = 8;        // of the kernel for one row by codes
constexpr int kThinPanels = 4;         // of the kernel for one or two rows

struct V {
    __m512 v;
};
struct N {
    __m512i v;
};
struct M {
    __mmask16 v;
};
struct D {
    __m512d low, high;
};

inline V load(const float* p) {
    return {_mm512_loadu_ps(p)};
}
inline void store(float* p, V a) {
    _mm512_storeu_ps(p, a.v);
}
inline N load(const std::uint32_t* p) {
    return {_mm512_loadu_si512(p)};
}
inline void store(std::uint32_t* p, N a) {
    _mm512_storeu_si512(p, a.v);
}
inline V set(float x) {
    return {_mm512_set1_ps(x)};
}
inline N set(std::uint32_t x) {
    return {_mm512_set1_epi32(static_cast<int>(x))};
}
inline N count_up() {
    return {_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)};
}

inline V operator+(V a, V b) {
    return {_mm512_add_ps(a.v, b.v)};
}
inline V operator-(V a, V b) {
    return {_mm512_sub_ps(a.v, b.v)};
}
inline V operator*(V a, V b) {
    return {_mm512_mul_ps(a.v, b.v)};
}
inline V operator/(V a, V b) {
    return {_mm512_div_ps(a.v, b.v)};
}
inline V fma(V a, V b, V c) {
    return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
inline V fnma(V a, V b, V c) {
    return {_mm512_fnmadd_ps(a.v, b.v, c.v)};
}  // c - a b
inline V max(V a, V b) {
    return {_mm512_max_ps(a.v, b.v)};
}  // a > b ? a : b
inline V min(V a, V b) {
    return {_mm512_min_ps(a.v, b.v)};
}  // a < b ? a : b

// to the whole number at or above
inline V ceiling(V a) {
    return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)};
}

inline N operator+(N a, N b) {
    return {_mm512_add_epi32(a.v, b.v)};
}
inline N operator-(N a, N b) {
    return {_mm512_sub_epi32(a.v, b.v)};
}
inline N operator&(N a, N b) {
    return {_mm512_and_si512(a.v, b.v)};
}
inline N operator|(N a, N b) {
    return {_mm512_or_si512(a.v, b.v)};
}
inline N max(N a, N b) {
    return {_mm512_max_epi32(a.v, b.v)};
}
inline N min(N a, N b) {
    return {_mm512_min_epi32(a.v, b.v)};
}
template <int S>
N left(N a) {
    return {_mm512_slli_epi32(a.v, S)};
}
template <int S>
N right(N a) {
    return {_mm512_srli_epi32(a.v, S)};
}
inline N bits(V a) {
    return {_mm512_castps_si512(a.v)};
}
inline V floats(N a) {
    return {_mm512_castsi512_ps(a.v)};
}
inline V to_float(N a) {
    return {_mm512_cvtepi32_ps(a.v)};
}

inline M less(V a, V b) {
    return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)};
}
inline M less_equal(V a, V b) {
    return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)};
}
inline M less(N a, N b) {
    return {_mm512_cmplt_epi32_mask(a.v, b.v)};
}
inline M operator&(M a, M b) {
    return {static_cast<__mmask16>(a.v & b.v)};
}
inline V select(M m, V yes, V no) {
    return {_mm512_mask_blend_ps(m.v, no.v, yes.v)};
}
inline N select(M m, N yes, N no) {
    return {_mm512_mask_blend_epi32(m.v, no.v, yes.v)};
}
inline bool any(M m) {
    return m.v != 0;
}

inline V load_first(const float* p, int n) {
    return {_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p)};
}
inline void store_first(float* p, int n, V a) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), a.v);
}

// Four times the E2M1 magnitude nearest to a b / 4, for 0 <= a b < 32; next to a tie, either one.
// All ties lie at whole a b, so the floor of a b, taken by one rounded-down addition, decides.
inline V near_magnitude(V a, V b) {
    const __m512 low = _mm512_setr_ps(0, 2, 2, 4, 4, 6, 6, 8, 8, 8, 12, 12, 12, 12, 16, 16);
    const __m512 high =
        _mm512_setr_ps(16, 16, 16, 16, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24);
    const __m512 floor = _mm512_fmadd_round_ps(a.v, b.v, _mm512_set1_ps(0x1.8p23f),
                                               _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    return {_mm512_permutex2var_ps(low, _mm512_castps_si512(floor), high)};
}

// Sixteen bf16 as fp32.
inline V widen(const std::uint16_t* p) {
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16))};
}

// The high halves of sixteen words.
inline void store_upper(std::uint16_t* p, N a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtepi32_epi16(_mm512_srli_epi32(a.v, 16)));
}

// The low bytes of sixteen words.
inline void store_bytes(std::uint8_t* p, N a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}
inline std::uint32_t largest(N a) {
    return _mm512_reduce_max_epu32(a.v);
}

// Sixteen bytes as integers.
inline N widen(const std::uint8_t* p) {
    return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
// Sixteen bytes, S places up, as f16.
template <int S>
V half_floats(const std::uint8_t* p) {
    const __m256i words =
        _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return {_mm512_cvtph_ps(_mm256_slli_epi16(words, S))};
}
// Sixteen f16 as fp32.
inline V f16_floats(const std::uint8_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
// a, in a register: the compiler is not to load it again for every use.
inline N held(N a) {
    asm("" : "+v"(a.v));
    return a;
}
// What the lowest four bits mean as E2M1.
inline V element(N a) {
    const __m512 values =
        _mm512_setr_ps(0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.f, -.5f, -1, -1.5f, -2, -3, -4, -6);
    return {_mm512_permutexvar_ps(a.v, values)};
}

// a0 b0 a1 b1 ... to memory, and back.
inline void store_pairs(float* p, V a, V b) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    _mm512_storeu_ps(p, _mm512_permutex2var_ps(a.v, low, b.v));
    _mm512_storeu_ps(p + 16, _mm512_permutex2var_ps(a.v, high, b.v));
}
inline void load_pairs(const float* p, V& a, V& b) {
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    const __m512 first = _mm512_loadu_ps(p), second = _mm512_loadu_ps(p + 16);
    a.v = _mm512_permutex2var_ps(first, even, second);
    b.v = _mm512_permutex2var_ps(first, odd, second);
}

inline D to_double(V a) {
    return {_mm512_cvtps_pd(_mm512_castps512_ps256(a.v)),
            _mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1))};
}
inline V to_float(D a) {
    const __m512 low = _mm512_castps256_ps512(_mm512_cvtpd_ps(a.low));
    return {_mm512_insertf32x8(low, _mm512_cvtpd_ps(a.high), 1)};
}
inline D set_double(double x) {
    return {_mm512_set1_pd(x), _mm512_set1_pd(x)};
}
inline D operator+(D a, D b) {
    return {_mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high)};
}
inline D operator-(D a, D b) {
    return {_mm512_sub_pd(a.low, b.low), _mm512_sub_pd(a.high, b.high)};
}
inline D fma(D a, D b, D c) {
    return {_mm512_fmadd_pd(a.low, b.low, c.low), _mm512_fmadd_pd(a.high, b.high, c.high)};
}
inline void store(double* p, D a) {
    _mm512_storeu_pd(p, a.low);
    _mm512_storeu_pd(p + 8, a.high);
}

// x[l ^ Distance] in lane l; Distance 1, 2, 4 or 8.
template <int Distance>
V swap_lanes(V a) {
    if constexpr (Distance == 1) return {_mm512_permute_ps(a.v, 0xb1)};
    if constexpr (Distance == 2) return {_mm512_permute_ps(a.v, 0x4e)};
    if constexpr (Distance == 4) return {_mm512_shuffle_f32x4(a.v, a.v, 0xb1)};
    return {_mm512_shuffle_f32x4(a.v, a.v, 0x4e)};
}
// a - b in the lanes whose number has the bit Distance, else a + b
template <int Distance>
V add_or_subtract(V a, V b) {
    constexpr unsigned masks[] = {0, 0xaaaa, 0xcccc, 0, 0xf0f0, 0, 0, 0, 0xff00};
    const __m512 sum = _mm512_add_ps(a.v, b.v);
    return {_mm512_mask_sub_ps(sum, static_cast<__mmask16>(masks[Distance]), a.v, b.v)};
}

// rows[i][j] <-> rows[j][i]
inline void transpose(N (&r)[16]) {
    N t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i].v = _mm512_unpacklo_epi32(r[i].v, r[i + 1].v);
        t[i + 1].v = _mm512_unpackhi_epi32(r[i].v, r[i + 1].v);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i].v = _mm512_unpacklo_epi64(t[i].v, t[i + 2].v);
        r[i + 1].v = _mm512_unpackhi_epi64(t[i].v, t[i + 2].v);
        r[i + 2].v = _mm512_unpacklo_epi64(t[i + 1].v, t[i + 3].v);
        r[i + 3].v = _mm512_unpackhi_epi64(t[i + 1].v, t[i + 3].v);
    }
    for (int i = 0; i < 4; ++i) {
        t[i].v = _mm512_shuffle_i32x4(r[i].v, r[i + 4].v, 0x88);
        t[i + 4].v = _mm512_shuffle_i32x4(r[i].v, r[i + 4].v, 0xdd);
        t[i + 8].v = _mm512_shuffle_i32x4(r[i + 8].v, r[i + 12].v, 0x88);
        t[i + 12].v = _mm512_shuffle_i32x4(r[i + 8].v, r[i + 12].v, 0xdd);
    }
    for (int i = 0; i < 4; ++i) {
        r[i].v = _mm512_shuffle_i32x4(t[i].v, t[i + 8].v, 0x88);
        r[i + 8].v = _mm512_shuffle_i32x4(t[i].v, t[i + 8].v, 0xdd);
        r[i + 4].v = _mm512_shuffle_i32x4(t[i + 4].v, t[i + 12].v, 0x88);
        r[i + 12].v = _mm512_shuffle_i32x4(t[i + 4].v, t[i + 12].v, 0xdd);
    }
}

}  // namespace
}  // namespace hb
