// SPDX-License-Identifier: Apache-2.0
// Instructions that C++ has no words for. tests/gpu/simt has the same names for the CPU.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "gpu/status.hpp"

namespace hb::gpu {

template <class... Parameters, class... Arguments>
Status launch_kernel(void (*kernel)(Parameters...), dim3 grid, int threads, int shared_bytes,
                     Stream stream, const Arguments&... arguments) {
    kernel<<<grid, static_cast<unsigned>(threads), static_cast<std::size_t>(shared_bytes),
             stream>>>(arguments...);
    return launched();
}

__device__ inline unsigned char* dynamic_shared() {
    extern __shared__ __align__(16) unsigned char bytes[];
    return bytes;
}

__device__ inline std::uint16_t nearest_bf16(float x) {
    return __bfloat16_as_ushort(__float2bfloat16_rn(x));
}

// Two bf16 products or differences.
__device__ inline std::uint32_t multiply_pairs(std::uint32_t a, std::uint32_t b) {
    std::uint32_t c;
    asm("mul.rn.bf16x2 %0, %1, %2;" : "=r"(c) : "r"(a), "r"(b));
    return c;
}
__device__ inline std::uint32_t subtract_pairs(std::uint32_t a, std::uint32_t b) {
    std::uint32_t c;
    asm("sub.rn.bf16x2 %0, %1, %2;" : "=r"(c) : "r"(a), "r"(b));
    return c;
}

// c += a b, a (16, 16), b (16, 8).
__device__ inline void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                    std::uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// From global to shared memory without waiting; commit() ends a batch, wait<n>() waits for all of
// this thread's batches but the latest n.
template <int kBytes>
__device__ inline void copy_async(void* shared, const void* global) {
    const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
    if constexpr (kBytes == 16)
        asm volatile("cp.async.cg.shared.global.L2::256B [%0], [%1], 16;" ::"r"(to), "l"(global)
                     : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(to), "l"(global), "n"(kBytes)
                     : "memory");
}
// 16 bytes, zeros where there is nothing.
__device__ inline void copy_or_zero(void* shared, const void* global, bool there) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                     static_cast<unsigned>(__cvta_generic_to_shared(shared))),
                 "l"(global), "r"(there ? 16 : 0)
                 : "memory");
}
__device__ inline void commit() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int kBatches>
__device__ inline void wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(kBatches) : "memory");
}

}  // namespace hb::gpu
