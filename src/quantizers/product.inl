// SPDX-License-Identifier: Apache-2.0
// After Goto and van de Geijn (2008): a tile of c, 6 rows by two vectors, stays in registers while
// a depth of k runs by. Both operands are copied into that order first, padded with zeros; a tile
// that hangs over the edge of c is worked on in a copy. The file that includes this one defines
// HB_VECTOR(name), the intrinsic of that name for its vectors of kBytes; it holds nothing that a
// linker could take from the wrong instruction set.
#pragma once

#include <immintrin.h>

#include "quantizers/product_part.hpp"

namespace hb {
namespace {

using Floats = decltype(HB_VECTOR(setzero_ps)());
using Doubles = decltype(HB_VECTOR(setzero_pd)());

constexpr std::int64_t kBytes = sizeof(Floats);

inline Floats load(const float* p) {
    return HB_VECTOR(loadu_ps)(p);
}
inline Doubles load(const double* p) {
    return HB_VECTOR(loadu_pd)(p);
}
inline void store(float* p, Floats x) {
    HB_VECTOR(storeu_ps)(p, x);
}
inline void store(double* p, Doubles x) {
    HB_VECTOR(storeu_pd)(p, x);
}
inline Floats spread(float x) {
    return HB_VECTOR(set1_ps)(x);
}
inline Doubles spread(double x) {
    return HB_VECTOR(set1_pd)(x);
}
inline Floats fma(Floats a, Floats b, Floats c) {
    return HB_VECTOR(fmadd_ps)(a, b, c);
}
inline Doubles fma(Doubles a, Doubles b, Doubles c) {
    return HB_VECTOR(fmadd_pd)(a, b, c);
}

constexpr std::int64_t kDepth = 256, kWidth = 128, kHeight = 6;
template <class T>
constexpr std::int64_t kLanes = kBytes / sizeof(T);

constexpr std::int64_t smaller(std::int64_t a, std::int64_t b) {
    return a < b ? a : b;
}

// out[k][0..Width) = alpha x(k, first..first + Width), zero beyond the edge
template <std::int64_t Width, class T>
void copy_strip(T alpha, const Part<const T>& x, std::int64_t first, T* out) {
    const std::int64_t width = smaller(Width, x.cols - first);
    for (std::int64_t k = 0; k < x.rows; ++k, out += Width) {
        const T* row = x.data + k * x.stride + first;
        if (width == Width) {
            for (std::int64_t i = 0; i < Width; ++i) out[i] = alpha * row[i];
        } else {
            for (std::int64_t i = 0; i < Width; ++i) out[i] = i < width ? alpha * row[i] : T{};
        }
    }
}

template <class T>
void multiply_tile(std::int64_t depth, const T* a, const T* b, T* c, std::int64_t stride) {
    decltype(load(b)) sums[kHeight][2];
#pragma GCC unroll 6
    for (int i = 0; i < kHeight; ++i) {
        sums[i][0] = load(c + i * stride);
        sums[i][1] = load(c + i * stride + kLanes<T>);
    }
    for (std::int64_t k = 0; k < depth; ++k, a += kHeight, b += 2 * kLanes<T>) {
        const auto left = load(b), right = load(b + kLanes<T>);
#pragma GCC unroll 6
        for (int i = 0; i < kHeight; ++i) {
            const auto factor = spread(a[i]);
            sums[i][0] = fma(factor, left, sums[i][0]);
            sums[i][1] = fma(factor, right, sums[i][1]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < kHeight; ++i) {
        store(c + i * stride, sums[i][0]);
        store(c + i * stride + kLanes<T>, sums[i][1]);
    }
}

template <class T>
void multiply_edge_tile(std::int64_t depth, const T* a, const T* b, const Part<T>& c) {
    constexpr std::int64_t kStrip = 2 * kLanes<T>;
    T copy[kHeight * kStrip] = {};
    for (std::int64_t r = 0; r < c.rows; ++r) {
        for (std::int64_t i = 0; i < c.cols; ++i) copy[r * kStrip + i] = c.data[r * c.stride + i];
    }
    multiply_tile(depth, a, b, copy, kStrip);
    for (std::int64_t r = 0; r < c.rows; ++r) {
        for (std::int64_t i = 0; i < c.cols; ++i) c.data[r * c.stride + i] = copy[r * kStrip + i];
    }
}

// b is at most kDepth by kWidth
template <class T>
void add_block(T alpha, const Part<const T>& a, const Part<const T>& b, const Part<T>& c) {
    constexpr std::int64_t kStrip = 2 * kLanes<T>;
    alignas(64) T left[kHeight * kDepth], right[kWidth * kDepth];
    for (std::int64_t j = 0; j < b.cols; j += kStrip)
        copy_strip<kStrip>(T{1}, b, j, right + j * b.rows);
    for (std::int64_t i = 0; i < c.rows; i += kHeight) {
        copy_strip<kHeight>(alpha, a, i, left);
        for (std::int64_t j = 0; j < c.cols; j += kStrip) {
            const Part<T> tile{c.data + i * c.stride + j, smaller(kHeight, c.rows - i),
                               smaller(kStrip, c.cols - j), c.stride};
            if (tile.rows == kHeight && tile.cols == kStrip) {
                multiply_tile(b.rows, left, right + j * b.rows, tile.data, tile.stride);
            } else {
                multiply_edge_tile(b.rows, left, right + j * b.rows, tile);
            }
        }
    }
}

template <class T>
void add_blocks(T alpha, const Part<const T>& a, const Part<const T>& b, const Part<T>& c) {
    for (std::int64_t k = 0; k < a.rows; k += kDepth) {
        const std::int64_t depth = smaller(kDepth, a.rows - k);
        for (std::int64_t j = 0; j < c.cols; j += kWidth) {
            const std::int64_t width = smaller(kWidth, c.cols - j);
            add_block<T>(alpha, {a.data + k * a.stride, depth, a.cols, a.stride},
                         {b.data + k * b.stride + j, depth, width, b.stride},
                         {c.data + j, c.rows, width, c.stride});
        }
    }
}

}  // namespace
}  // namespace hb
