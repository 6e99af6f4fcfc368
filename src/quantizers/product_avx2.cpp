// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include <cstdint>

namespace hb {
namespace {

constexpr std::int64_t kBytes = 32;

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

}  // namespace
}  // namespace hb

#include "quantizers/product.inl"

namespace hb {

void add_product_avx2(float alpha, const Part<const float>& a, const Part<const float>& b,
                      const Part<float>& c) {
    add_blocks(alpha, a, b, c);
}

void add_product_avx2(double alpha, const Part<const double>& a, const Part<const double>& b,
                      const Part<double>& c) {
    add_blocks(alpha, a, b, c);
}

}  // namespace hb
