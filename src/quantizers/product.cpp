// SPDX-License-Identifier: Apache-2.0
#include "quantizers/product.hpp"

#include "quantizers/product_part.hpp"

namespace hb {
namespace {

template <class T>
Part<T> part(View<T> x) {
    return {x.data, x.rows, x.cols, x.stride};
}

template <class T>
void add_product_of(T alpha, View<const T> a, View<const T> b, View<T> c) {
    static const bool wide = __builtin_cpu_supports("avx512f");
    if (wide)
        add_product_avx512(alpha, part(a), part(b), part(c));
    else
        add_product_avx2(alpha, part(a), part(b), part(c));
}

}  // namespace

void add_product(float alpha, View<const float> a, View<const float> b, View<float> c) {
    add_product_of(alpha, a, b, c);
}

void add_product(double alpha, View<const double> a, View<const double> b, View<double> c) {
    add_product_of(alpha, a, b, c);
}

}  // namespace hb
