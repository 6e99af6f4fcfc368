// SPDX-License-Identifier: Apache-2.0
// The innermost loop of products: R rows by P panels, two sums an output in registers, acc in
// memory, touched once in 32 k. The right side comes in pair order from one of three sources, or
// in codes (coded.inl).
#pragma once

#include <utility>

#include "kernels/table.hpp"

#include "kernels/coded.inl"

namespace hb {
namespace {

// What a source does at a block's start and end, and with its two sums.
struct PlainB {
    void start() {}
    void finish() {}
    V sum(V even, V odd) const { return even + odd; }
};

struct ExpandedB : PlainB {
    const float* p = nullptr;
    static constexpr int kPair = 32;
    void advance() { p += 16 * kPair; }
    void pair(int j, V& even, V& odd) const {
        even = load(p + kPair * j);
        odd = load(p + kPair * j + 16);
    }
};

struct NarrowB : PlainB {
    const std::uint16_t* p = nullptr;
    void advance() { p += kTile; }
    void pair(int j, V& even, V& odd) const {
        const N both = load(reinterpret_cast<const std::uint32_t*>(p + 32 * j));
        even = floats(left<16>(both));
        odd = floats(both & set(0xffff0000u));
    }
};

struct WideB : PlainB {
    const float* p = nullptr;
    void advance() { p += kTile; }
    void pair(int j, V& even, V& odd) const { load_pairs(p + 32 * j, even, odd); }
};

template <int R, int P>
struct Sums {
    V even[R][P], odd[R][P];
};

template <int R, int P, class B>
[[gnu::always_inline]] inline void step(const float* a, std::int64_t a_stride, const B (&b)[P],
                                        int j, Sums<R, P>& s) {
    V even[P], odd[P];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) b[p].pair(j, even[p], odd[p]);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
        const V x = set(a[r * a_stride + 2 * j]);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) s.even[r][p] = fma(x, even[p], s.even[r][p]);
        const V y = set(a[r * a_stride + 2 * j + 1]);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) s.odd[r][p] = fma(y, odd[p], s.odd[r][p]);
    }
}

// Pair 4 q + T of panels [First, First + Count); `a` is at 4 q.
template <int T, int First, int Count, int R, int P, class B>
[[gnu::always_inline]] inline void coded_step(const float* a, std::int64_t a_stride,
                                              const B (&b)[P], int q, Sums<R, P>& s) {
    V even[Count], odd[Count];
#pragma GCC unroll 8
    for (int p = 0; p < Count; ++p) b[First + p].template pair<T>(q, even[p], odd[p]);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
        const V x = set(a[r * a_stride + 2 * T]), y = set(a[r * a_stride + 2 * T + 1]);
#pragma GCC unroll 8
        for (int p = 0; p < Count; ++p) {
            s.even[r][First + p] = fma(x, even[p], s.even[r][First + p]);
            s.odd[r][First + p] = fma(y, odd[p], s.odd[r][First + p]);
        }
    }
}

// A few rows keep their left numbers in registers from panel to panel, more rows the right ones.
template <int R, int P, class B>
[[gnu::always_inline]] inline void coded_steps(const float* a, std::int64_t a_stride,
                                               const B (&b)[P], int q, Sums<R, P>& s) {
    if constexpr (R > 2) {
        four_times([&]<int T>() { coded_step<T, 0, P, R, P, B>(a, a_stride, b, q, s); });
    } else {
        [&]<int... I>(std::integer_sequence<int, I...>) {
            (four_times([&]<int T>() { coded_step<T, I, 1, R, P, B>(a, a_stride, b, q, s); }), ...);
        }
        (std::make_integer_sequence<int, P>());
    }
}

template <int R, int P, class B>
[[gnu::always_inline]] inline void steps(const float* a, std::int64_t a_stride, const B (&b)[P],
                                         Sums<R, P>& s) {
    if constexpr (sizeof(*B::p) == 1) {
        for (int q = 0; q < 4; ++q, a += 8) coded_steps<R, P, B>(a, a_stride, b, q, s);
    } else {
#pragma GCC unroll 2
        for (int j = 0; j < 16; ++j) step<R, P, B>(a, a_stride, b, j, s);
    }
}

// c (R, 16 P) over `blocks` blocks of k.
template <int R, int P, class B>
[[gnu::noinline]] void kernel(const float* a, std::int64_t a_stride, const B* panels,
                              std::int64_t blocks, float* c, std::int64_t c_stride, bool resume) {
    B b[P];
    for (int p = 0; p < P; ++p) b[p] = panels[p];
    for (std::int64_t block = 0; block < blocks; ++block) {
        if constexpr (sizeof(*B::p) == 1) {
            const std::int64_t far =
                far_ahead<P>(B::kBytes, block, blocks, P > 1 ? b[P - 1].p - b[P - 2].p : 0);
#pragma GCC unroll 8
            for (int p = 0; p < P; ++p) fetch_ahead<B::kBytes>(b[p].p, far);
        }
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) b[p].start();
        Sums<R, P> s;
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
            for (int p = 0; p < P; ++p) s.even[r][p] = s.odd[r][p] = set(0.f);
        }
        steps<R, P, B>(a, a_stride, b, s);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) b[p].finish();
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
            for (int p = 0; p < P; ++p) {
                float* to = c + r * c_stride + 16 * p;
                const V acc = resume ? load(to) : set(0.f);
                store(to, acc + b[p].sum(s.even[r][p], s.odd[r][p]));
            }
        }
        resume = true;
        a += kBlock;
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) b[p].advance();
    }
}

template <int P, class B>
void rows_of_kernel(int rows, const float* a, std::int64_t a_stride, const B* b,
                    std::int64_t blocks, float* c, std::int64_t c_stride, bool resume) {
    for (; rows >= kRows; rows -= kRows, a += kRows * a_stride, c += kRows * c_stride) {
        kernel<kRows, P, B>(a, a_stride, b, blocks, c, c_stride, resume);
    }
    const auto last = [&]<int R>() {
        if constexpr (R < kRows) kernel<R, P, B>(a, a_stride, b, blocks, c, c_stride, resume);
    };
    switch (rows) {
        case 1:
            return last.template operator()<1>();
        case 2:
            return last.template operator()<2>();
        case 3:
            return last.template operator()<3>();
        case 4:
            return last.template operator()<4>();
        case 5:
            return last.template operator()<5>();
        default:
            return;
    }
}

}  // namespace
}  // namespace hb
