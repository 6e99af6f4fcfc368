// SPDX-License-Identifier: Apache-2.0
// Decoding in whole numbers: up to kFewIntRows rows by MXFP4 codes that are read once, from some
// panels side by side, and never stored expanded; the sums stay in L1. The rest is as in
// multiply_ints.inl.
#pragma once

#include "kernels/multiply_ints.inl"

namespace hb {
namespace {

constexpr int kFewIntRows = 8;

template <int R, int P>
void few_int_panels(const Multiply& m, int panel) {
    constexpr int kBytes = coded_bytes(Coding::mx);
    const std::uint8_t* from = m.coded_b + panel * m.b_stride;
    const WholeBlock* a = m.whole_a;
    float* c = m.c + 16 * panel;
    for (int r = 0; r < R && !m.resume; ++r) {
        for (int p = 0; p < P; ++p) store(c + r * m.c_stride + 16 * p, set(0.f));
    }
    for (std::int64_t block = 0; block < m.blocks; ++block, ++a, from += kBytes) {
        __m512i dot[R][P];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
            for (int p = 0; p < P; ++p) dot[r][p] = _mm512_set1_epi32(a[r * m.whole_stride].start);
        }
        const std::int64_t far = far_ahead<P>(kBytes, block, m.blocks, m.b_stride);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) fetch_ahead<kBytes>(from + p * m.b_stride, far);
#pragma GCC unroll 4
        for (int q = 0; q < 4; ++q) {
            __m512i even[P], odd[P];
#pragma GCC unroll 8
            for (int p = 0; p < P; ++p)
                int_weights(from + p * m.b_stride + 64 * q, even[p], odd[p]);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                const std::int8_t* numbers = a[r * m.whole_stride].numbers + 8 * q;
                const __m512i first = int_numbers(numbers), second = int_numbers(numbers + 4);
#pragma GCC unroll 8
                for (int p = 0; p < P; ++p) {
                    dot[r][p] = _mm512_dpbusd_epi32(dot[r][p], even[p], first);
                    dot[r][p] = _mm512_dpbusd_epi32(dot[r][p], odd[p], second);
                }
            }
        }
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
            __m512 scale, zero;
            int_scales(from + p * m.b_stride, scale, zero);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                float* to = c + r * m.c_stride + 16 * p;
                _mm512_storeu_ps(to, int_sum(dot[r][p], scale, zero, a[r * m.whole_stride].unit,
                                             _mm512_loadu_ps(to)));
            }
        }
    }
}

template <int R, int P>
void few_int_columns(const Multiply& m, int panel) {
    for (; panel + P <= m.panels; panel += P) few_int_panels<R, P>(m, panel);
    if constexpr (P > 1) few_int_columns<R, P / 2>(m, panel);
}

// The same as multiply_ints() of up to kFewIntRows rows.
void multiply_few_ints(const Multiply& m) {
    with_rows(m.rows, [&]<int R>() { few_int_columns<R, R == 1 ? 8 : R <= 4 ? 4 : 2>(m, 0); });
}

}  // namespace
}  // namespace hb
