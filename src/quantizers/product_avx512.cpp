// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include <cstdint>

namespace hb {
namespace {

constexpr std::int64_t kBytes = 64;

inline __m512 load(const float* p) {
    return _mm512_loadu_ps(p);
}
inline __m512d load(const double* p) {
    return _mm512_loadu_pd(p);
}
inline void store(float* p, __m512 x) {
    _mm512_storeu_ps(p, x);
}
inline void store(double* p, __m512d x) {
    _mm512_storeu_pd(p, x);
}
inline __m512 spread(float x) {
    return _mm512_set1_ps(x);
}
inline __m512d spread(double x) {
    return _mm512_set1_pd(x);
}
inline __m512 fma(__m512 a, __m512 b, __m512 c) {
    return _mm512_fmadd_ps(a, b, c);
}
inline __m512d fma(__m512d a, __m512d b, __m512d c) {
    return _mm512_fmadd_pd(a, b, c);
}

}  // namespace
}  // namespace hb

#include "quantizers/product.inl"

namespace hb {

void add_product_avx512(float alpha, const Part<const float>& a, const Part<const float>& b,
                        const Part<float>& c) {
    add_blocks(alpha, a, b, c);
}

void add_product_avx512(double alpha, const Part<const double>& a, const Part<const double>& b,
                        const Part<double>& c) {
    add_blocks(alpha, a, b, c);
}

}  // namespace hb
