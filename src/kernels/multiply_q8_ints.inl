// SPDX-License-Identifier: Apache-2.0
// Rows of MXINT8 by Q8_0 codes scaled late, in whole numbers: a block's dot product is at most
// 32 * 127 * 128, exact in 32 bits, and dot * scale is rounded once, as there; a unit is a power of
// two. Codes are stored plus 128, without signs as the instruction wants one side, so that sums
// start at -128 times the sum of the row's block. Each eight rows read the codes as they lie.
#pragma once

#include "kernels/multiply_few_nv_ints.inl"

namespace hb {
namespace {

struct Q8Left {
    std::int8_t numbers[32];  // in lane order
    float unit;
    std::int32_t start;
};

Q8Left q8_left(const WholeBlock& from) {
    const __m256i given = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from.numbers));
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15));
    Q8Left out;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.numbers), _mm256_shuffle_epi8(given, order));
    out.unit = from.unit;
    out.start = kIntZero - 128 * ((kIntZero - from.start) / 12);
    return out;
}

template <int R, int P>
void q8_int_panels(const Multiply& m, const Q8Left* a, int panel, std::int64_t done,
                   std::int64_t blocks) {
    constexpr int kBytes = coded_bytes(Coding::q8);
    const std::uint8_t* from = m.coded_b + panel * m.b_stride + done * kBytes;
    float* c = m.c + 16 * panel;
    for (int r = 0; r < R && !m.resume && done == 0; ++r) {
        for (int p = 0; p < P; ++p) store(c + r * m.c_stride + 16 * p, set(0.f));
    }
    for (std::int64_t block = 0; block < blocks; ++block, ++a, from += kBytes) {
        __m512i dot[R][P];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
            for (int p = 0; p < P; ++p) dot[r][p] = _mm512_set1_epi32(a[r * kFewNvDepth].start);
        }
        const std::int64_t far = far_ahead<P>(kBytes, done + block, m.blocks, m.b_stride);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) fetch_ahead<kBytes>(from + p * m.b_stride, far);
#pragma GCC unroll 8
        for (int part = 0; part < 8; ++part) {
            __m512i right[P];
#pragma GCC unroll 8
            for (int p = 0; p < P; ++p)
                right[p] = _mm512_loadu_si512(from + p * m.b_stride + 64 * part);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                const __m512i same = int_numbers(a[r * kFewNvDepth].numbers + 4 * part);
#pragma GCC unroll 8
                for (int p = 0; p < P; ++p)
                    dot[r][p] = _mm512_dpbusd_epi32(dot[r][p], right[p], same);
            }
        }
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
            const __m512 scale = f16_floats(from + p * m.b_stride + kTile).v,
                         zero = _mm512_mul_ps(scale, _mm512_set1_ps(0x1.8p23f));
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                float* to = c + r * m.c_stride + 16 * p;
                _mm512_storeu_ps(to, int_sum(dot[r][p], scale, zero, a[r * kFewNvDepth].unit,
                                             _mm512_loadu_ps(to)));
            }
        }
    }
}

template <int R, int P>
void q8_int_columns(const Multiply& m, const Q8Left* a, int panel, std::int64_t done,
                    std::int64_t blocks) {
    for (; panel + P <= m.panels; panel += P) q8_int_panels<R, P>(m, a, panel, done, blocks);
    if constexpr (P > 1) q8_int_columns<R, P / 2>(m, a, panel, done, blocks);
}

void few_q8_ints(const Multiply& m) {
    Q8Left a[kFewIntRows * kFewNvDepth];
    for (std::int64_t done = 0; done < m.blocks; done += kFewNvDepth) {
        const std::int64_t rest = m.blocks - done, blocks = rest < kFewNvDepth ? rest : kFewNvDepth;
        for (int r = 0; r < m.rows; ++r) {
            for (std::int64_t i = 0; i < blocks; ++i)
                a[r * kFewNvDepth + i] = q8_left(m.whole_a[r * m.whole_stride + done + i]);
        }
        with_rows(m.rows, [&]<int R>() {
            q8_int_columns<R, R == 1 ? 8 : R <= 4 ? 4 : 2>(m, a, 0, done, blocks);
        });
    }
}

void multiply_any(const Multiply& m) {
    const bool few = m.rows <= kFewIntRows;
    if (m.whole_a && m.late) return by_rows<kFewIntRows>(m, few_q8_ints);
    if (m.whole_a && m.moderate && m.coding == Coding::mx)
        return few ? multiply_few_ints(m) : multiply_ints(m);
    if (m.whole_a && m.moderate && m.coding == Coding::nv)
        return few ? multiply_few_nv_ints(m) : multiply_nv_ints(m);
    multiply(m);
}

}  // namespace
}  // namespace hb
