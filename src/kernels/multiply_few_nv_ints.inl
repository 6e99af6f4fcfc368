// SPDX-License-Identifier: Apache-2.0
// Decoding by NVFP4 codes in whole numbers, as in multiply_few_ints.inl, each group's sums apart,
// as in multiply_nv_ints.inl.
#pragma once

#include "kernels/multiply_nv_ints.inl"

namespace hb {
namespace {

constexpr std::int64_t kFewNvDepth = 512;  // blocks whose left side is put in order at a time

template <int R, int P>
void few_nv_int_panels(const Multiply& m, const NvLeft* a, int panel, std::int64_t done,
                       std::int64_t blocks) {
    constexpr int kBytes = coded_bytes(Coding::nv);
    const std::uint8_t* from = m.coded_b + panel * m.b_stride + done * kBytes;
    float* c = m.c + 16 * panel;
    for (int r = 0; r < R && !m.resume && done == 0; ++r) {
        for (int p = 0; p < P; ++p) store(c + r * m.c_stride + 16 * p, set(0.f));
    }
    for (std::int64_t block = 0; block < blocks; ++block, ++a, from += kBytes) {
        __m512i dot[2][R][P];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
            for (int p = 0; p < P; ++p) {
                dot[0][r][p] = _mm512_set1_epi32(a[r * kFewNvDepth].start[0]);
                dot[1][r][p] = _mm512_set1_epi32(a[r * kFewNvDepth].start[1]);
            }
        }
        const std::int64_t far = far_ahead<P>(kBytes, done + block, m.blocks, m.b_stride);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) fetch_ahead<kBytes>(from + p * m.b_stride, far);
#pragma GCC unroll 4
        for (int q = 0; q < 4; ++q) {
#pragma GCC unroll 8
            for (int p = 0; p < P; ++p) {
                __m512i group[2];
                nv_int_weights(from + p * m.b_stride + 64 * q, group);
#pragma GCC unroll 8
                for (int r = 0; r < R; ++r) {
                    const std::int8_t* numbers = a[r * kFewNvDepth].numbers + 8 * q;
                    dot[0][r][p] =
                        _mm512_dpbusd_epi32(dot[0][r][p], group[0], int_numbers(numbers));
                    dot[1][r][p] =
                        _mm512_dpbusd_epi32(dot[1][r][p], group[1], int_numbers(numbers + 4));
                }
            }
        }
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
            __m512 scale[2];
            nv_int_scales(from + p * m.b_stride, scale);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                float* to = c + r * m.c_stride + 16 * p;
                const __m512 first = _mm512_mul_ps(whole_number(dot[0][r][p]), scale[0]);
                _mm512_storeu_ps(to, nv_int_sum(first, dot[1][r][p], scale[1],
                                                a[r * kFewNvDepth].unit, _mm512_loadu_ps(to)));
            }
        }
    }
}

template <int R, int P>
void few_nv_int_columns(const Multiply& m, const NvLeft* a, int panel, std::int64_t done,
                        std::int64_t blocks) {
    for (; panel + P <= m.panels; panel += P) few_nv_int_panels<R, P>(m, a, panel, done, blocks);
    if constexpr (P > 1) few_nv_int_columns<R, P / 2>(m, a, panel, done, blocks);
}

// The same as multiply_nv_ints() of up to kFewIntRows rows.
void multiply_few_nv_ints(const Multiply& m) {
    NvLeft a[kFewIntRows * kFewNvDepth];
    for (std::int64_t done = 0; done < m.blocks; done += kFewNvDepth) {
        const std::int64_t rest = m.blocks - done, blocks = rest < kFewNvDepth ? rest : kFewNvDepth;
        for (int r = 0; r < m.rows; ++r) {
            for (std::int64_t i = 0; i < blocks; ++i)
                a[r * kFewNvDepth + i] = nv_left(m.whole_a[r * m.whole_stride + done + i]);
        }
        with_rows(m.rows, [&]<int R>() {
            few_nv_int_columns<R, R == 1 ? 8 : R == 2 ? 4 : R <= 4 ? 2 : 1>(m, a, 0, done, blocks);
        });
    }
}

}  // namespace
}  // namespace hb
