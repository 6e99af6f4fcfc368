// SPDX-License-Identifier: Apache-2.0
// Decoding in whole numbers: up to kFewIntRows rows by MXFP4 codes that are read once, from many
// panels side by side when the rows are few, and never stored expanded. The rest is as in
// multiply_ints.inl.
#pragma once

#include "kernels/multiply_ints.inl"

namespace hb {
namespace {

constexpr int kFewIntRows = 8;

template <int R, int P>
void few_int_panels(const Multiply& m, int panel) {
    const std::uint8_t* from = m.coded_b + panel * m.b_stride;
    const WholeBlock* a = m.whole_a;
    float* c = m.c + 16 * panel;
    __m512 acc[R][P];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p)
            acc[r][p] =
                m.resume ? _mm512_loadu_ps(c + r * m.c_stride + 16 * p) : _mm512_setzero_ps();
    }
    for (std::int64_t block = 0; block < m.blocks; ++block, ++a) {
        __m512i dot[R][P];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
            for (int p = 0; p < P; ++p) dot[r][p] = _mm512_set1_epi32(a[r * m.whole_stride].start);
        }
#pragma GCC unroll 4
        for (int q = 0; q < 4; ++q) {
#pragma GCC unroll 8
            for (int p = 0; p < P; ++p) {
                const std::uint8_t* codes = from + p * m.b_stride + 64 * q;
                __builtin_prefetch(codes + 4 * coded_bytes(Coding::mx));
                __m512i even, odd;
                int_weights(codes, even, odd);
#pragma GCC unroll 8
                for (int r = 0; r < R; ++r) {
                    const std::int8_t* numbers = a[r * m.whole_stride].numbers + 8 * q;
                    dot[r][p] = _mm512_dpbusd_epi32(dot[r][p], even, int_numbers(numbers));
                    dot[r][p] = _mm512_dpbusd_epi32(dot[r][p], odd, int_numbers(numbers + 4));
                }
            }
        }
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
            __m512 scale, zero;
            int_scales(from + p * m.b_stride, scale, zero);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r)
                acc[r][p] = int_sum(dot[r][p], scale, zero, a[r * m.whole_stride].unit, acc[r][p]);
        }
        from += coded_bytes(Coding::mx);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) _mm512_storeu_ps(c + r * m.c_stride + 16 * p, acc[r][p]);
    }
}

// The same as multiply_ints() of up to kFewIntRows rows.
void multiply_few_ints(const Multiply& m) {
    with_rows(m.rows, [&]<int R>() {
        constexpr int kWide = R == 1 ? 8 : R == 2 ? 4 : R <= 6 ? 2 : 1;
        int panel = 0;
        for (; panel + kWide <= m.panels; panel += kWide) few_int_panels<R, kWide>(m, panel);
        for (; panel < m.panels; ++panel) few_int_panels<R, 1>(m, panel);
    });
}

void multiply_any(const Multiply& m) {
    if (m.coding != Coding::mx || !m.moderate || !m.whole_a) return multiply(m);
    return m.rows <= kFewIntRows ? multiply_few_ints(m) : multiply_ints(m);
}

}  // namespace
}  // namespace hb
