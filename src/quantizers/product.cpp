// SPDX-License-Identifier: Apache-2.0
// After Goto and van de Geijn (2008): a tile of c, 6 rows by two vectors, stays in registers while
// a depth of k runs by. Both operands are copied into that order first, padded with zeros; a tile
// that hangs over the edge of c is worked on in a copy.
#include "quantizers/product.hpp"

#include <immintrin.h>

#include <algorithm>

namespace hb {
namespace {

inline __m256 load(const float* p) {
    return _mm256_loadu_ps(p);
}
inline __m256d load(const double* p) {
    return _mm256_loadu_pd(p);
}
inline void store(float* p, __m256 x) {
    _mm256_storeu_ps(p, x);
}
inline void store(double* p, __m256d x) {
    _mm256_storeu_pd(p, x);
}
inline __m256 spread(float x) {
    return _mm256_set1_ps(x);
}
inline __m256d spread(double x) {
    return _mm256_set1_pd(x);
}
inline __m256 fma(__m256 a, __m256 b, __m256 c) {
    return _mm256_fmadd_ps(a, b, c);
}
inline __m256d fma(__m256d a, __m256d b, __m256d c) {
    return _mm256_fmadd_pd(a, b, c);
}

constexpr std::int64_t kDepth = 256, kWidth = 128, kHeight = 6;
template <class T>
constexpr std::int64_t kLanes = 32 / sizeof(T);

// out[k][0..Width) = alpha x(k, first..first + Width), zero beyond the edge
template <std::int64_t Width, class T>
void copy_strip(T alpha, View<const T> x, std::int64_t first, T* out) {
    const std::int64_t width = std::min(Width, x.cols - first);
    for (std::int64_t k = 0; k < x.rows; ++k, out += Width) {
        const T* row = x.row(k) + first;
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
void multiply_edge_tile(std::int64_t depth, const T* a, const T* b, View<T> c) {
    T copy[kHeight * 2 * kLanes<T>] = {};
    for (std::int64_t r = 0; r < c.rows; ++r) {
        std::copy_n(c.row(r), c.cols, copy + r * 2 * kLanes<T>);
    }
    multiply_tile(depth, a, b, copy, 2 * kLanes<T>);
    for (std::int64_t r = 0; r < c.rows; ++r) {
        std::copy_n(copy + r * 2 * kLanes<T>, c.cols, c.row(r));
    }
}

// b is at most kDepth by kWidth
template <class T>
void add_block(T alpha, View<const T> a, View<const T> b, View<T> c) {
    constexpr std::int64_t kStrip = 2 * kLanes<T>;
    alignas(64) T left[kHeight * kDepth], right[kWidth * kDepth];
    for (std::int64_t j = 0; j < b.cols; j += kStrip)
        copy_strip<kStrip>(T{1}, b, j, right + j * b.rows);
    for (std::int64_t i = 0; i < c.rows; i += kHeight) {
        copy_strip<kHeight>(alpha, a, i, left);
        for (std::int64_t j = 0; j < c.cols; j += kStrip) {
            const View<T> tile{&c(i, j), std::min(kHeight, c.rows - i),
                               std::min(kStrip, c.cols - j), c.stride};
            if (tile.rows == kHeight && tile.cols == kStrip) {
                multiply_tile(b.rows, left, right + j * b.rows, tile.data, tile.stride);
            } else {
                multiply_edge_tile(b.rows, left, right + j * b.rows, tile);
            }
        }
    }
}

template <class T>
void add_blocks(T alpha, View<const T> a, View<const T> b, View<T> c) {
    for (std::int64_t k = 0; k < a.rows; k += kDepth) {
        const std::int64_t depth = std::min(kDepth, a.rows - k);
        for (std::int64_t j = 0; j < c.cols; j += kWidth) {
            const std::int64_t width = std::min(kWidth, c.cols - j);
            add_block<T>(alpha, a.middle_rows(k, depth), {b.row(k) + j, depth, width, b.stride},
                         {c.data + j, c.rows, width, c.stride});
        }
    }
}

}  // namespace

void add_product(float alpha, View<const float> a, View<const float> b, View<float> c) {
    add_blocks(alpha, a, b, c);
}

void add_product(double alpha, View<const double> a, View<const double> b, View<double> c) {
    add_blocks(alpha, a, b, c);
}

}  // namespace hb
