// SPDX-License-Identifier: Apache-2.0
// The instructions of src/gpu/primitives.cuh on the CPU.
#pragma once

#include <cuda_runtime.h>

#include "core/float_bits.hpp"
#include "gpu/status.hpp"

namespace hb::gpu {

inline Status launched() {
    return {};
}

template <class... Parameters, class... Arguments>
Status launch_kernel(void (*kernel)(Parameters...), dim3 grid, int threads, int shared_bytes,
                     Stream, const Arguments&... arguments) {
    simt::launch(kernel, grid, 1, dim3(static_cast<unsigned>(threads)),
                 static_cast<std::size_t>(shared_bytes), arguments...);
    return {};
}

inline unsigned char* dynamic_shared() {
    return simt::dynamic_shared();
}

inline std::uint16_t nearest_bf16(float x) {
    return float_to_bf16(x);
}

inline float half_of(std::uint32_t pair, int high) {
    return bf16_to_float(static_cast<std::uint16_t>(pair >> 16 * high));
}
inline std::uint32_t as_pair(float low, float high) {
    return float_to_bf16(low) | std::uint32_t{float_to_bf16(high)} << 16;
}
inline std::uint32_t multiply_pairs(std::uint32_t a, std::uint32_t b) {
    return as_pair(half_of(a, 0) * half_of(b, 0), half_of(a, 1) * half_of(b, 1));
}
inline std::uint32_t subtract_pairs(std::uint32_t a, std::uint32_t b) {
    return as_pair(half_of(a, 0) - half_of(b, 0), half_of(a, 1) - half_of(b, 1));
}

// Fragments of mma.m16n8k16 (PTX ISA): lane 4 g + t has of A rows g, g + 8 and columns 2t, 2t + 1,
// 2t + 8, 2t + 9, of B those rows and column g, of C rows g, g + 8 and columns 2t, 2t + 1.
inline void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                         std::uint32_t b1) {
    struct Fragments {
        std::uint32_t a[4], b[2];
    };
    const auto all = simt::exchange(Fragments{{a[0], a[1], a[2], a[3]}, {b0, b1}});
    const int lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) {
        double sum = c[i];
        for (int k = 0; k < 4; ++k) {
            const Fragments left = all.of(4 * g + k), right = all.of(4 * (2 * t + i % 2) + k);
            for (int part = 0; part < 2; ++part) {
                for (int high = 0; high < 2; ++high)
                    sum += static_cast<double>(half_of(left.a[i / 2 + 2 * part], high)) *
                           half_of(right.b[part], high);
            }
        }
        c[i] = static_cast<float>(sum);
    }
}

// A copy that has not been waited for has not happened.
struct Batches {
    struct Copy {
        void* to;
        const void* from;
        int bytes;  // 0: 16 zeros
    };
    std::vector<std::vector<Copy>> batches{{}};
};
inline Batches& batches_of_thread() {
    static std::vector<Batches> all(simt::kMostThreads);
    return all[simt::machine.current];
}
template <int kBytes>
void copy_async(void* shared, const void* global) {
    batches_of_thread().batches.back().push_back({shared, global, kBytes});
}
inline void copy_or_zero(void* shared, const void* global, bool there) {
    batches_of_thread().batches.back().push_back({shared, global, there ? 16 : 0});
}
inline void commit() {
    batches_of_thread().batches.emplace_back();
}
template <int kBatches>
void wait() {
    auto& batches = batches_of_thread().batches;
    while (batches.size() > kBatches + 1) {
        for (const auto& copy : batches.front()) {
            if (copy.bytes)
                std::memcpy(copy.to, copy.from, static_cast<std::size_t>(copy.bytes));
            else
                std::memset(copy.to, 0, 16);
        }
        batches.erase(batches.begin());
    }
}

}  // namespace hb::gpu
