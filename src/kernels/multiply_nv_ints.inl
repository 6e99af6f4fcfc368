// SPDX-License-Identifier: Apache-2.0
// Rows of MXINT8 by NVFP4 codes in whole numbers. The two groups of a block have scales of their
// own, so their sums stay apart: s0 = d0 scale0 2^e and s1 = d1 scale1 2^e with whole numbers d of
// at most 16 * 127 * 12 = 24384, 15 bits, and scales of 4 bits, all exact; fma(d1, scale1, d0
// scale0) is s0 + s1 rounded once, under a unit that is a power of two, and acc + that 2^e the
// other addition of the definition. For this the bytes of a word that vpdpbusd adds up must be of
// one group: both sides are put in the order t = 0, 2, 1, 3 of group 0, then of group 1, for each
// k = 16 g + 4 q + t; the left side once for all panels. The rest is as in multiply_ints.inl.
#pragma once

#include "kernels/multiply_few_ints.inl"

namespace hb {
namespace {

constexpr int kNvIntRows = 4;

struct NvLeft {
    std::int8_t numbers[32];
    float unit;
    std::int32_t start[2];
};

struct NvIntStrip {
    alignas(64) std::uint8_t words[kIntPanels][kIntDepth * 16 * kBlock];
    float scales[kIntPanels][kIntDepth * 32];
};

NvLeft nv_left(const WholeBlock& from) {
    const __m256i given = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from.numbers));
    const __m256i both = _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(given, 0xd8), 0xd8);
    const __m256i fours = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), both);
    const __m128i sums =
        _mm_add_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
    NvLeft out;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.numbers), both);
    out.unit = from.unit;
    out.start[0] = kIntZero - 12 * (_mm_extract_epi32(sums, 0) + _mm_extract_epi32(sums, 2));
    out.start[1] = kIntZero - 12 * (_mm_extract_epi32(sums, 1) + _mm_extract_epi32(sums, 3));
    return out;
}

// int_weights() of 64 bytes of codes by group.
[[gnu::always_inline]] inline void nv_int_weights(const std::uint8_t* from, __m512i (&group)[2]) {
    __m512i even, odd;
    int_weights(from, even, odd);
    group[0] = _mm512_mask_blend_epi16(0xaaaaaaaau, even, _mm512_slli_epi32(odd, 16));
    group[1] = _mm512_mask_blend_epi16(0xaaaaaaaau, _mm512_srli_epi32(even, 16), odd);
}

// Half the scales of the block at `from`, as a weight is twice its element. Moderate scales, moved
// to the place of an f16, are 2^-8 times what they should be.
[[gnu::always_inline]] inline void nv_int_scales(const std::uint8_t* from, __m512 (&scale)[2]) {
    scale[0] = (half_floats<7>(from + kCodeBytes) * set(128.f)).v;
    scale[1] = (half_floats<7>(from + kCodeBytes + 16) * set(128.f)).v;
}

// The number that sums of the bits of 1.5 * 2^23 stand for.
[[gnu::always_inline]] inline __m512 whole_number(__m512i sum) {
    return _mm512_sub_ps(_mm512_castsi512_ps(sum), _mm512_set1_ps(0x1.8p23f));
}

[[gnu::always_inline]] inline __m512 nv_int_sum(__m512 first, __m512i second, __m512 scale,
                                                float unit, __m512 acc) {
    const __m512 both = _mm512_fmadd_ps(whole_number(second), scale, first);
    return _mm512_fmadd_ps(both, _mm512_set1_ps(unit), acc);
}

void nv_int_panel(const std::uint8_t* from, std::int64_t blocks, std::uint8_t* words,
                  float* scales) {
    for (std::int64_t block = 0; block < blocks; ++block, from += coded_bytes(Coding::nv)) {
        for (int q = 0; q < 4; ++q, words += 128) {
            __m512i group[2];
            nv_int_weights(from + 64 * q, group);
            _mm512_store_si512(words, group[0]);
            _mm512_store_si512(words + 64, group[1]);
        }
        __m512 scale[2];
        nv_int_scales(from, scale);
        _mm512_storeu_ps(scales + 32 * block, scale[0]);
        _mm512_storeu_ps(scales + 32 * block + 16, scale[1]);
    }
}

// Sums of group g of a block; words of the strip and of the left rows lie 2 groups apart.
template <int R, int P>
[[gnu::always_inline]] inline void nv_int_group(const NvLeft* a, std::int64_t a_stride,
                                                const std::uint8_t* const (&words)[P], int g,
                                                __m512i (&dot)[R][P]) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) dot[r][p] = _mm512_set1_epi32(a[r * a_stride].start[g]);
    }
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) {
        __m512i right[P];
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) right[p] = _mm512_load_si512(words[p] + 128 * q + 64 * g);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const __m512i same = int_numbers(a[r * a_stride].numbers + 8 * q + 4 * g);
#pragma GCC unroll 2
            for (int p = 0; p < P; ++p) dot[r][p] = _mm512_dpbusd_epi32(dot[r][p], right[p], same);
        }
    }
}

template <int R, int P>
void nv_int_kernel(const NvLeft* a, std::int64_t a_stride, const NvIntStrip& b, std::int64_t blocks,
                   float* c, std::int64_t c_stride, bool resume) {
    __m512 acc[R][P];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p)
            acc[r][p] = resume ? _mm512_loadu_ps(c + r * c_stride + 16 * p) : _mm512_setzero_ps();
    }
    for (std::int64_t block = 0; block < blocks; ++block, ++a) {
        const std::uint8_t* words[P];
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) words[p] = b.words[p] + block * 16 * kBlock;
        __m512i dot[R][P];
        __m512 first[R][P];
        nv_int_group<R, P>(a, a_stride, words, 0, dot);
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) {
            const __m512 scale = _mm512_loadu_ps(b.scales[p] + 32 * block);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) first[r][p] = _mm512_mul_ps(whole_number(dot[r][p]), scale);
        }
        nv_int_group<R, P>(a, a_stride, words, 1, dot);
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) {
            const __m512 scale = _mm512_loadu_ps(b.scales[p] + 32 * block + 16);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r)
                acc[r][p] =
                    nv_int_sum(first[r][p], dot[r][p], scale, a[r * a_stride].unit, acc[r][p]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) _mm512_storeu_ps(c + r * c_stride + 16 * p, acc[r][p]);
    }
}

template <int P>
void nv_int_columns(const Multiply& m, const NvLeft* a, const NvIntStrip& b, std::int64_t blocks,
                    float* c, bool resume) {
    const auto part = [&]<int R>(int row) {
        nv_int_kernel<R, P>(a + row * kIntDepth, kIntDepth, b, blocks, c + row * m.c_stride,
                            m.c_stride, resume);
    };
    int row = 0;
    for (; row + kNvIntRows <= m.rows; row += kNvIntRows) part.template operator()<kNvIntRows>(row);
    with_rows(m.rows - row, [&]<int R>() {
        if constexpr (R < kNvIntRows) part.template operator()<R>(row);
    });
}

void multiply_nv_ints(const Multiply& m) {
    NvIntStrip b;
    NvLeft a[kTileRows * kIntDepth];
    for (std::int64_t block = 0; block < m.blocks; block += kIntDepth) {
        const std::int64_t rest = m.blocks - block, blocks = rest < kIntDepth ? rest : kIntDepth;
        for (int r = 0; r < m.rows; ++r) {
            for (std::int64_t i = 0; i < blocks; ++i)
                a[r * kIntDepth + i] = nv_left(m.whole_a[r * m.whole_stride + block + i]);
        }
        const bool resume = m.resume || block > 0;
        for (int panel = 0; panel < m.panels; panel += kIntPanels) {
            const int panels = m.panels - panel < kIntPanels ? m.panels - panel : kIntPanels;
            for (int p = 0; p < panels; ++p) {
                nv_int_panel(m.coded_b + (panel + p) * m.b_stride + block * coded_bytes(Coding::nv),
                             blocks, b.words[p], b.scales[p]);
            }
            if (panels == kIntPanels)
                nv_int_columns<kIntPanels>(m, a, b, blocks, m.c + 16 * panel, resume);
            else
                nv_int_columns<1>(m, a, b, blocks, m.c + 16 * panel, resume);
        }
    }
}

}  // namespace
}  // namespace hb
