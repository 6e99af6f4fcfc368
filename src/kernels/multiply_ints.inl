// SPDX-License-Identifier: Apache-2.0
// Many rows of MXFP4 by MXFP4 codes in whole numbers (vpdpbusd). A row's block of 32 is a power of
// two times whole numbers of at most 15, found back from its bf16 numbers; a weight is twice its
// element, at most 12. So a block's dot product is exact in 32 bits, as it is in the sums s0 + s1
// of the definition, and acc + dot * 2^e is rounded once, as there: the same bits, at four times
// the rate of fp32 multiply-adds. The instruction wants one side without signs, which the left one
// is when 15 is added to it: sums start at -15 times the sum of the weights.
#pragma once

#include "kernels/multiply.inl"

namespace hb {
namespace {

constexpr std::int64_t kIntSpan = 64, kIntDepth = 16;  // blocks: of the left side, of a strip
constexpr int kIntRows = 6, kIntPanels = 2, kIntOffset = 15;

// Rows as bytes, in the order of a strip's words, and each block's power of two.
struct IntRows {
    alignas(64) std::uint8_t bytes[kTileRows * kIntSpan * kBlock];
    float scales[kTileRows * kIntSpan];
};

struct IntStrip {
    alignas(64) std::int8_t words[kIntPanels][kIntDepth * 16 * kBlock];
    float scales[kIntPanels][kIntDepth * 16];
    std::int32_t starts[kIntPanels][kIntDepth * 16];
};

// False when the block is no such product, or its numbers are so small or large that sums of fp32
// products might not be exact.
bool int_block(const std::uint16_t* from, std::uint8_t* bytes, float* scale) {
    const __m512i both = _mm512_loadu_si512(from), upper = _mm512_set1_epi32(-65536);
    const __m512i low = _mm512_slli_epi32(both, 16), high = _mm512_and_si512(both, upper);
    const __m512i magnitudes =
        _mm512_max_epu32(_mm512_slli_epi32(low, 1), _mm512_slli_epi32(high, 1));
    const std::uint32_t largest = _mm512_reduce_max_epu32(magnitudes) >> 1;
    const std::uint32_t power = largest & 0x7f800000u;
    if (largest != 0 && (power < (127u - 40) << 23 || power > (127u + 40) << 23)) return false;
    // unit: an eighth of the largest one's power of two
    const __m512 inverse = _mm512_castsi512_ps(
        _mm512_set1_epi32(static_cast<int>(largest ? (257u << 23) - power : 0)));
    const __m512 x = _mm512_mul_ps(_mm512_castsi512_ps(low), inverse),
                 y = _mm512_mul_ps(_mm512_castsi512_ps(high), inverse);
    const __m512i i = _mm512_cvtps_epi32(x), j = _mm512_cvtps_epi32(y);
    const __mmask16 fits = _mm512_cmp_ps_mask(_mm512_cvtepi32_ps(i), x, _CMP_EQ_OQ) &
                           _mm512_cmp_ps_mask(_mm512_cvtepi32_ps(j), y, _CMP_EQ_OQ);
    if (fits != 0xffff) return false;
    // Lane 4 q + t has k = 4 q + t in byte 0 and k + 16 in byte 2; t + 2 goes beside t.
    const __m512i offset = _mm512_set1_epi32(kIntOffset);
    const __m512i pair = _mm512_or_si512(_mm512_add_epi32(i, offset),
                                         _mm512_slli_epi32(_mm512_add_epi32(j, offset), 16));
    const __m512i beside = _mm512_shuffle_epi32(pair, _MM_PERM_DCDC);
    const __m512i four = _mm512_or_si512(pair, _mm512_slli_epi32(beside, 8));
    const __m512i kept = _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 0, 0, 0, 0, 0, 0, 0, 0);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bytes),
                        _mm512_castsi512_si256(_mm512_permutexvar_epi32(kept, four)));
    const std::uint32_t unit = largest ? power - (3u << 23) : 0;
    __builtin_memcpy(scale, &unit, 4);
    return true;
}

bool int_rows(const Multiply& m, IntRows& out) {
    for (int r = 0; r < m.rows; ++r) {
        for (std::int64_t block = 0; block < m.blocks; ++block) {
            const std::int64_t at = r * kIntSpan + block;
            if (!int_block(m.narrow_a + left_index(m, r, block), out.bytes + at * kBlock,
                           out.scales + at))
                return false;
        }
    }
    return true;
}

// Blocks of a panel: of the 16 words of part q first the bytes k = 4 q, 4 q + 2 of both halves,
// then 4 q + 1, 4 q + 3. Half the scale goes with a weight that is twice its element.
void int_panel(const std::uint8_t* from, std::int64_t blocks, std::int8_t* words, float* scales,
               std::int32_t* starts) {
    const __m512i twice = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12));
    const __m512i nibble = _mm512_set1_epi8(15), ones = _mm512_set1_epi8(kIntOffset);
    for (std::int64_t block = 0; block < blocks; ++block, from += coded_bytes(Coding::mx)) {
        __m512i start = _mm512_setzero_si512();
        for (int q = 0; q < 4; ++q, words += 128) {
            const __m512i codes = _mm512_loadu_si512(from + 64 * q);
            const __m512i even = _mm512_shuffle_epi8(twice, _mm512_and_si512(codes, nibble)),
                          odd = _mm512_shuffle_epi8(
                              twice, _mm512_and_si512(_mm512_srli_epi32(codes, 4), nibble));
            _mm512_store_si512(words, even);
            _mm512_store_si512(words + 64, odd);
            start = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(start, ones, even), ones, odd);
        }
        _mm512_storeu_si512(starts + 16 * block, _mm512_sub_epi32(_mm512_setzero_si512(), start));
        store(scales + 16 * block, e8m0(widen(from + kCodeBytes)) * set(.5f));
    }
}

template <int R, int P>
void int_kernel(const IntRows& a, std::int64_t first, const IntStrip& b, std::int64_t blocks,
                float* c, std::int64_t c_stride, bool resume) {
    __m512 acc[R][P];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p)
            acc[r][p] = resume ? _mm512_loadu_ps(c + r * c_stride + 16 * p) : _mm512_setzero_ps();
    }
    for (std::int64_t block = 0; block < blocks; ++block) {
        __m512i dot[R][P];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
            for (int p = 0; p < P; ++p) dot[r][p] = _mm512_loadu_si512(b.starts[p] + 16 * block);
        }
        const std::uint8_t* left = a.bytes + (first + block) * kBlock;
#pragma GCC unroll 8
        for (int word = 0; word < 8; ++word) {
            __m512i right[P];
#pragma GCC unroll 2
            for (int p = 0; p < P; ++p)
                right[p] = _mm512_load_si512(b.words[p] + block * 16 * kBlock + 64 * word);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                int four;
                __builtin_memcpy(&four, left + r * kIntSpan * kBlock + 4 * word, 4);
                const __m512i same = _mm512_set1_epi32(four);
#pragma GCC unroll 2
                for (int p = 0; p < P; ++p)
                    dot[r][p] = _mm512_dpbusd_epi32(dot[r][p], same, right[p]);
            }
        }
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) {
            const __m512 scale = _mm512_loadu_ps(b.scales[p] + 16 * block);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                const __m512 x = _mm512_mul_ps(_mm512_cvtepi32_ps(dot[r][p]), scale);
                acc[r][p] = _mm512_fmadd_ps(
                    x, _mm512_set1_ps(a.scales[first + block + r * kIntSpan]), acc[r][p]);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) _mm512_storeu_ps(c + r * c_stride + 16 * p, acc[r][p]);
    }
}

// f<rows>(), for up to kIntRows
template <class F>
void with_rows(int rows, F f) {
    if (rows == 1) f.template operator()<1>();
    if (rows == 2) f.template operator()<2>();
    if (rows == 3) f.template operator()<3>();
    if (rows == 4) f.template operator()<4>();
    if (rows == 5) f.template operator()<5>();
    if (rows == 6) f.template operator()<6>();
}

template <int P>
void int_columns(const Multiply& m, const IntRows& a, std::int64_t block, const IntStrip& b,
                 std::int64_t blocks, float* c, bool resume) {
    int row = 0;
    for (; row + kIntRows <= m.rows; row += kIntRows) {
        int_kernel<kIntRows, P>(a, row * kIntSpan + block, b, blocks, c + row * m.c_stride,
                                m.c_stride, resume);
    }
    with_rows(m.rows - row, [&]<int R>() {
        int_kernel<R, P>(a, row * kIntSpan + block, b, blocks, c + row * m.c_stride, m.c_stride,
                         resume);
    });
}

// Up to kIntSpan blocks. False, with nothing done, when the left side is no product of whole
// numbers.
bool multiply_ints(const Multiply& m) {
    IntRows a;
    if (!int_rows(m, a)) return false;
    IntStrip b;
    for (int panel = 0; panel < m.panels; panel += kIntPanels) {
        const int panels = m.panels - panel < kIntPanels ? m.panels - panel : kIntPanels;
        for (std::int64_t block = 0; block < m.blocks; block += kIntDepth) {
            const std::int64_t rest = m.blocks - block,
                               blocks = rest < kIntDepth ? rest : kIntDepth;
            for (int p = 0; p < panels; ++p) {
                int_panel(m.coded_b + (panel + p) * m.b_stride + block * coded_bytes(Coding::mx),
                          blocks, b.words[p], b.scales[p], b.starts[p]);
            }
            float* c = m.c + 16 * panel;
            const bool resume = m.resume || block > 0;
            if (panels == kIntPanels)
                int_columns<kIntPanels>(m, a, block, b, blocks, c, resume);
            else
                int_columns<1>(m, a, block, b, blocks, c, resume);
        }
    }
    return true;
}

}  // namespace
}  // namespace hb
