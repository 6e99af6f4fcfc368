// SPDX-License-Identifier: Apache-2.0
#define HB_VECTOR(name) _mm512_##name

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
