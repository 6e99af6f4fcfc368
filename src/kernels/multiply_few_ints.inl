// SPDX-License-Identifier: Apache-2.0
// Decoding in whole numbers: up to kIntRows rows by MXFP4 codes that are read once, from many
// panels side by side, and never stored expanded. Weights are made unsigned in registers, as
// element * 2 + 12, and the rows keep their signs; sums start at -12 times the sum of a row's
// block. The rest is as in multiply_ints.inl.
#pragma once

#include "kernels/multiply_ints.inl"

namespace hb {
namespace {

struct FewIntRows {
    alignas(64) std::int8_t bytes[kIntRows * kIntSpan * kBlock];
    float scales[kIntRows * kIntSpan];
    std::int32_t starts[kIntRows * kIntSpan];
};

bool few_int_rows(const Multiply& m, FewIntRows& out) {
    for (int r = 0; r < m.rows; ++r) {
        for (std::int64_t block = 0; block < m.blocks; ++block) {
            const std::int64_t at = r * kIntSpan + block;
            alignas(32) std::uint8_t bytes[kBlock];
            if (!int_block(m.narrow_a + left_index(m, r, block), bytes, out.scales + at))
                return false;
            int sum = 0;
            for (int i = 0; i < kBlock; ++i) {
                const int x = bytes[i] - kIntOffset;
                out.bytes[at * kBlock + i] = static_cast<std::int8_t>(x);
                sum += x;
            }
            out.starts[at] = -12 * sum;
        }
    }
    return true;
}

template <int R, int P>
void few_int_panels(const FewIntRows& a, const Multiply& m, int panel) {
    const __m512i table = _mm512_broadcast_i32x4(
        _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
    const __m512i nibble = _mm512_set1_epi8(15);
    const std::uint8_t* from = m.coded_b + panel * m.b_stride;
    float* c = m.c + 16 * panel;
    __m512 acc[R][P];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p)
            acc[r][p] =
                m.resume ? _mm512_loadu_ps(c + r * m.c_stride + 16 * p) : _mm512_setzero_ps();
    }
    for (std::int64_t block = 0; block < m.blocks; ++block, from += coded_bytes(Coding::mx)) {
        __m512i dot[R][P];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
            for (int p = 0; p < P; ++p)
                dot[r][p] = _mm512_set1_epi32(a.starts[r * kIntSpan + block]);
        }
        const std::int8_t* left = a.bytes + block * kBlock;
#pragma GCC unroll 4
        for (int q = 0; q < 4; ++q) {
#pragma GCC unroll 8
            for (int p = 0; p < P; ++p) {
                __builtin_prefetch(from + p * m.b_stride + 64 * q + 4 * coded_bytes(Coding::mx));
                const __m512i codes = _mm512_loadu_si512(from + p * m.b_stride + 64 * q);
                const __m512i even = _mm512_shuffle_epi8(table, _mm512_and_si512(codes, nibble)),
                              odd = _mm512_shuffle_epi8(
                                  table, _mm512_and_si512(_mm512_srli_epi32(codes, 4), nibble));
#pragma GCC unroll 8
                for (int r = 0; r < R; ++r) {
                    int words[2];
                    __builtin_memcpy(words, left + r * kIntSpan * kBlock + 8 * q, 8);
                    dot[r][p] = _mm512_dpbusd_epi32(dot[r][p], even, _mm512_set1_epi32(words[0]));
                    dot[r][p] = _mm512_dpbusd_epi32(dot[r][p], odd, _mm512_set1_epi32(words[1]));
                }
            }
        }
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
            const V scale = e8m0(widen(from + p * m.b_stride + kCodeBytes)) * set(.5f);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                acc[r][p] =
                    _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(dot[r][p]), scale.v),
                                    _mm512_set1_ps(a.scales[r * kIntSpan + block]), acc[r][p]);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) _mm512_storeu_ps(c + r * m.c_stride + 16 * p, acc[r][p]);
    }
}

// The same as multiply_ints() of up to kIntRows rows.
bool multiply_few_ints(const Multiply& m) {
    FewIntRows a;
    if (!few_int_rows(m, a)) return false;
    with_rows(m.rows, [&]<int R>() {
        constexpr int kWide = R == 1 ? 8 : R == 2 ? 4 : 2;
        int panel = 0;
        for (; panel + kWide <= m.panels; panel += kWide) few_int_panels<R, kWide>(a, m, panel);
        for (; panel < m.panels; ++panel) few_int_panels<R, 1>(a, m, panel);
    });
    return true;
}

void multiply_any(const Multiply& m) {
    if (m.coding != Coding::mx || !m.moderate || !m.narrow_a) return multiply(m);
    for (std::int64_t block = 0; block < m.blocks; block += kIntSpan) {
        Multiply span = m;
        span.narrow_a += block * m.a_step;
        span.coded_b += block * coded_bytes(m.coding);
        span.blocks = m.blocks - block < kIntSpan ? m.blocks - block : kIntSpan;
        span.resume = m.resume || block > 0;
        const bool done = m.rows <= kIntRows ? multiply_few_ints(span) : multiply_ints(span);
        if (!done) multiply(span);
    }
}

}  // namespace
}  // namespace hb
