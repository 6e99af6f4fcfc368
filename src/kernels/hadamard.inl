// SPDX-License-Identifier: Apache-2.0
// The fast Walsh-Hadamard transform of every block of a row, with the stages h = 1, 2, 4, ... and
// the closing factor of transforms/hadamard.cpp: stages below 16 inside a vector, the others
// between vectors.
#pragma once

#include "kernels/table.hpp"

namespace hb {
namespace {

template <int Distance>
V butterfly(V x) {
    return add_or_subtract<Distance>(swap_lanes<Distance>(x), x);
}

inline V small_stages(V x, int block) {
    if (block > 1) x = butterfly<1>(x);
    if (block > 2) x = butterfly<2>(x);
    if (block > 4) x = butterfly<4>(x);
    if (block > 8) x = butterfly<8>(x);
    return x;
}

// Vectors a block: all stages in registers.
template <int Vectors>
void hadamard_block(float* x, V factor) {
    V v[Vectors];
#pragma GCC unroll 8
    for (int i = 0; i < Vectors; ++i) v[i] = small_stages(load(x + 16 * i), 16);
#pragma GCC unroll 8
    for (int h = 1; h < Vectors; h *= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < Vectors; ++i) {
            if (i & h) continue;
            const V a = v[i], b = v[i + h];
            v[i] = a + b;
            v[i + h] = a - b;
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < Vectors; ++i) store(x + 16 * i, v[i] * factor);
}

void large_stages(float* x, int block) {
    for (int h = 128; h < block; h *= 2) {
        for (int first = 0; first < block; first += 2 * h) {
            for (int i = first; i < first + h; i += 16) {
                const V a = load(x + i), b = load(x + i + h);
                store(x + i, a + b);
                store(x + i + h, a - b);
            }
        }
    }
}

// n: a multiple of block, which is a power of two
void hadamard(float* x, std::int64_t n, int block) {
    const V factor = set(static_cast<float>(1 / __builtin_sqrt(static_cast<double>(block)))),
            one = set(1.f);
    std::int64_t i = 0;
    if (block < 16) {
        for (; i + 16 <= n; i += 16) store(x + i, small_stages(load(x + i), block) * factor);
        const int rest = static_cast<int>(n - i);
        store_first(x + i, rest, small_stages(load_first(x + i, rest), block) * factor);
        return;
    }
    for (; i < n; i += block) {
        if (block == 16)
            hadamard_block<1>(x + i, factor);
        else if (block == 32)
            hadamard_block<2>(x + i, factor);
        else if (block == 64)
            hadamard_block<4>(x + i, factor);
        else if (block == 128)
            hadamard_block<8>(x + i, factor);
        else {
            for (int k = 0; k < block; k += 128) hadamard_block<8>(x + i + k, one);
            large_stages(x + i, block);
            for (int k = 0; k < block; k += 16) store(x + i + k, load(x + i + k) * factor);
        }
    }
}

}  // namespace
}  // namespace hb
