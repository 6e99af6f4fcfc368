// SPDX-License-Identifier: Apache-2.0
// Rows of MXFP4 or MXINT8 by MXFP4 codes in whole numbers (vpdpbusd). A row's block of 32 is a
// power of two times whole numbers, found back from its bf16 numbers once, when the left side is
// made: the unit is 1/64 of the power of two of its largest number, so they are below 128. Under it
// an MXINT8 block has its own elements, as its largest lies in [64, 127], and an MXFP4 block of
// largest element 2^p m (m = 1 or 1.5) has element * 2^(6-p), whole as every element is a multiple
// of 1/2 and p <= 2. A weight is twice its element, at most 12. So a block's dot product is at most
// 32 * 127 * 12 = 48768, half of it in s0 and in s1: exact in 32 bits as in the sums of the
// definition, and acc + dot * 2^e is rounded once, as there: the same bits, at four times the rate
// of fp32 multiply-adds. The instruction wants one side without signs, which the weights are when
// 12 is added: sums start at -12 times the sum of the row's block. They start, moreover, at the
// bits of 1.5 * 2^23, so that they end as those of that number plus the sum, which is a whole
// number from 2^23 to 2^24 since 48768 < 2^22, and float(sum) * scale is one multiply-add. On the
// way they are sums of 32 bits, of which no part can overflow: 4 * 127 * 24 a step.
#pragma once

#include "kernels/multiply.inl"

namespace hb {
namespace {

constexpr std::int64_t kIntDepth = 16;  // blocks of a strip
constexpr int kIntRows = 6, kIntPanels = 2;
constexpr int kIntZero = 0x4b400000;  // the bits of 1.5 * 2^23

struct IntStrip {
    alignas(64) std::uint8_t words[kIntPanels][kIntDepth * 16 * kBlock];
    float scales[kIntPanels][kIntDepth * 16], zeros[kIntPanels][kIntDepth * 16];
};

bool whole_block(const std::uint16_t* from, WholeBlock& out) {
    const __m512i both = _mm512_loadu_si512(from), upper = _mm512_set1_epi32(-65536);
    const __m512i low = _mm512_slli_epi32(both, 16), high = _mm512_and_si512(both, upper);
    const __m512i magnitudes =
        _mm512_max_epu32(_mm512_slli_epi32(low, 1), _mm512_slli_epi32(high, 1));
    const std::uint32_t largest = _mm512_reduce_max_epu32(magnitudes) >> 1;
    const std::uint32_t power = largest & 0x7f800000u;
    if (largest != 0 && (power < (127u - 40) << 23 || power > (127u + 40) << 23)) return false;
    const __m512 inverse = _mm512_castsi512_ps(
        _mm512_set1_epi32(static_cast<int>(largest ? (260u << 23) - power : 0)));
    const __m512 x = _mm512_mul_ps(_mm512_castsi512_ps(low), inverse),
                 y = _mm512_mul_ps(_mm512_castsi512_ps(high), inverse);
    const __m512i i = _mm512_cvtps_epi32(x), j = _mm512_cvtps_epi32(y);
    const __mmask16 fits = _mm512_cmp_ps_mask(_mm512_cvtepi32_ps(i), x, _CMP_EQ_OQ) &
                           _mm512_cmp_ps_mask(_mm512_cvtepi32_ps(j), y, _CMP_EQ_OQ);
    if (fits != 0xffff) return false;
    // Lane 4 q + t has k = 4 q + t in byte 0 and k + 16 in byte 2; t + 2 goes beside t.
    const __m512i byte = _mm512_set1_epi32(255);
    const __m512i pair = _mm512_or_si512(_mm512_and_si512(i, byte),
                                         _mm512_slli_epi32(_mm512_and_si512(j, byte), 16));
    const __m512i beside = _mm512_shuffle_epi32(pair, _MM_PERM_DCDC);
    const __m512i four = _mm512_or_si512(pair, _mm512_slli_epi32(beside, 8));
    const __m512i kept = _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 0, 0, 0, 0, 0, 0, 0, 0);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.numbers),
                        _mm512_castsi512_si256(_mm512_permutexvar_epi32(kept, four)));
    const std::uint32_t unit = largest ? power - (6u << 23) : 0;
    __builtin_memcpy(&out.unit, &unit, 4);
    out.start = kIntZero - 12 * _mm512_reduce_add_epi32(_mm512_add_epi32(i, j));
    return true;
}

bool to_whole(const std::uint16_t* from, std::int64_t step, std::int64_t blocks, WholeBlock* out) {
    for (std::int64_t block = 0; block < blocks; ++block)
        if (!whole_block(from + block * step, out[block])) return false;
    return true;
}

// Twice the elements of 64 bytes of codes, plus 12: first the bytes k = 4 q, 4 q + 2 of both halves
// of part q, then 4 q + 1, 4 q + 3.
[[gnu::always_inline]] inline void int_weights(const std::uint8_t* from, __m512i& even,
                                               __m512i& odd) {
    const __m512i table = _mm512_broadcast_i32x4(
        _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
    const __m512i nibble = _mm512_set1_epi8(15), codes = _mm512_loadu_si512(from);
    even = _mm512_shuffle_epi8(table, _mm512_and_si512(codes, nibble));
    odd = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi32(codes, 4), nibble));
}

// Half the scales of the block at `from`, as a weight is twice its element, and 1.5 * 2^23 times
// those. Moderate scales are plain exponents.
[[gnu::always_inline]] inline void int_scales(const std::uint8_t* from, __m512& scale,
                                              __m512& zero) {
    const __m512i powers = _mm512_slli_epi32(widen(from + kCodeBytes).v, 23);
    scale = _mm512_castsi512_ps(_mm512_sub_epi32(powers, _mm512_set1_epi32(1 << 23)));
    zero = _mm512_castsi512_ps(_mm512_add_epi32(powers, _mm512_set1_epi32((22 << 23) + (1 << 22))));
}

// Four whole numbers, the same in every lane.
[[gnu::always_inline]] inline __m512i int_numbers(const std::int8_t* numbers) {
    int four;
    __builtin_memcpy(&four, numbers, 4);
    return _mm512_set1_epi32(four);
}

// acc + dot * scale * unit, rounded once; zero: what stands for a dot of 0, scaled.
[[gnu::always_inline]] inline __m512 int_sum(__m512i dot, __m512 scale, __m512 zero, float unit,
                                             __m512 acc) {
    const __m512 x = _mm512_fmsub_ps(_mm512_castsi512_ps(dot), scale, zero);
    return _mm512_fmadd_ps(x, _mm512_set1_ps(unit), acc);
}

void int_panel(const std::uint8_t* from, std::int64_t blocks, std::uint8_t* words, float* scales,
               float* zeros) {
    for (std::int64_t block = 0; block < blocks; ++block, from += coded_bytes(Coding::mx)) {
        for (int q = 0; q < 4; ++q, words += 128) {
            __m512i even, odd;
            int_weights(from + 64 * q, even, odd);
            _mm512_store_si512(words, even);
            _mm512_store_si512(words + 64, odd);
        }
        __m512 scale, zero;
        int_scales(from, scale, zero);
        _mm512_storeu_ps(scales + 16 * block, scale);
        _mm512_storeu_ps(zeros + 16 * block, zero);
    }
}

template <int R, int P>
void int_kernel(const WholeBlock* a, std::int64_t a_stride, const IntStrip& b, std::int64_t blocks,
                float* c, std::int64_t c_stride, bool resume) {
    __m512 acc[R][P];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p)
            acc[r][p] = resume ? _mm512_loadu_ps(c + r * c_stride + 16 * p) : _mm512_setzero_ps();
    }
    for (std::int64_t block = 0; block < blocks; ++block, ++a) {
        __m512i dot[R][P];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
            for (int p = 0; p < P; ++p) dot[r][p] = _mm512_set1_epi32(a[r * a_stride].start);
        }
#pragma GCC unroll 8
        for (int word = 0; word < 8; ++word) {
            __m512i right[P];
#pragma GCC unroll 2
            for (int p = 0; p < P; ++p)
                right[p] = _mm512_load_si512(b.words[p] + block * 16 * kBlock + 64 * word);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                const __m512i same = int_numbers(a[r * a_stride].numbers + 4 * word);
#pragma GCC unroll 2
                for (int p = 0; p < P; ++p)
                    dot[r][p] = _mm512_dpbusd_epi32(dot[r][p], right[p], same);
            }
        }
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) {
            const __m512 scale = _mm512_loadu_ps(b.scales[p] + 16 * block),
                         zero = _mm512_loadu_ps(b.zeros[p] + 16 * block);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r)
                acc[r][p] = int_sum(dot[r][p], scale, zero, a[r * a_stride].unit, acc[r][p]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) _mm512_storeu_ps(c + r * c_stride + 16 * p, acc[r][p]);
    }
}

// f<rows>(), for up to 8
template <class F>
void with_rows(int rows, F f) {
    if (rows == 1) f.template operator()<1>();
    if (rows == 2) f.template operator()<2>();
    if (rows == 3) f.template operator()<3>();
    if (rows == 4) f.template operator()<4>();
    if (rows == 5) f.template operator()<5>();
    if (rows == 6) f.template operator()<6>();
    if (rows == 7) f.template operator()<7>();
    if (rows == 8) f.template operator()<8>();
}

template <int P>
void int_columns(const Multiply& m, std::int64_t block, const IntStrip& b, std::int64_t blocks,
                 float* c, bool resume) {
    const auto part = [&]<int R>(int row) {
        int_kernel<R, P>(m.whole_a + row * m.whole_stride + block, m.whole_stride, b, blocks,
                         c + row * m.c_stride, m.c_stride, resume);
    };
    int row = 0;
    for (; row + kIntRows <= m.rows; row += kIntRows) part.template operator()<kIntRows>(row);
    with_rows(m.rows - row, [&]<int R>() {
        if constexpr (R < kIntRows) part.template operator()<R>(row);
    });
}

void multiply_ints(const Multiply& m) {
    IntStrip b;
    for (int panel = 0; panel < m.panels; panel += kIntPanels) {
        const int panels = m.panels - panel < kIntPanels ? m.panels - panel : kIntPanels;
        for (std::int64_t block = 0; block < m.blocks; block += kIntDepth) {
            const std::int64_t rest = m.blocks - block,
                               blocks = rest < kIntDepth ? rest : kIntDepth;
            for (int p = 0; p < panels; ++p) {
                int_panel(m.coded_b + (panel + p) * m.b_stride + block * coded_bytes(Coding::mx),
                          blocks, b.words[p], b.scales[p], b.zeros[p]);
            }
            float* c = m.c + 16 * panel;
            const bool resume = m.resume || block > 0;
            if (panels == kIntPanels)
                int_columns<kIntPanels>(m, block, b, blocks, c, resume);
            else
                int_columns<1>(m, block, b, blocks, c, resume);
        }
    }
}

}  // namespace
}  // namespace hb
