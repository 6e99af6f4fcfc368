// SPDX-License-Identifier: Apache-2.0
// A matrix as plain data, for files that are compiled for different machines.
#pragma once

#include <cstdint>

namespace hb {

template <class T>
struct Part {
    T* data;
    std::int64_t rows, cols, stride;
};

void add_product_avx2(float alpha, const Part<const float>& a, const Part<const float>& b,
                      const Part<float>& c);
void add_product_avx2(double alpha, const Part<const double>& a, const Part<const double>& b,
                      const Part<double>& c);
void add_product_avx512(float alpha, const Part<const float>& a, const Part<const float>& b,
                        const Part<float>& c);
void add_product_avx512(double alpha, const Part<const double>& a, const Part<const double>& b,
                        const Part<double>& c);

}  // namespace hb
