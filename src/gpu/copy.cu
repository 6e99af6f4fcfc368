// SPDX-License-Identifier: Apache-2.0
// Nothing but bytes from here to there, sixteen at a time: what memory can do, to hold the other
// kernels against. And the question every launch ends with.
#include <cuda_runtime.h>

#include "gpu/copy.hpp"

namespace hb::gpu {

namespace {

constexpr int kThreads = 512, kEach = 4;

__global__ void __launch_bounds__(kThreads)
    copy_kernel(const uint4* from, uint4* to, std::int64_t n) {
    const std::int64_t first = std::int64_t{blockIdx.x} * kThreads * kEach + threadIdx.x;
    uint4 held[kEach];
#pragma unroll
    for (int i = 0; i < kEach; ++i)
        if (first + i * kThreads < n) held[i] = from[first + i * kThreads];
#pragma unroll
    for (int i = 0; i < kEach; ++i)
        if (first + i * kThreads < n) to[first + i * kThreads] = held[i];
}

}  // namespace

Status launched() {
    const cudaError_t error = cudaGetLastError();
    return error == cudaSuccess ? Status{} : Status{Code::launch_failed, cudaGetErrorString(error)};
}

Status copy(const void* from, void* to, std::int64_t bytes, Stream stream) {
    if (bytes < 0 || bytes % 16) return refuse("copy: the bytes must be a multiple of 16");
    if (bytes == 0) return {};
    const std::int64_t n = bytes / 16, blocks = (n + kThreads * kEach - 1) / (kThreads * kEach);
    copy_kernel<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(
        static_cast<const uint4*>(from), static_cast<uint4*>(to), n);
    return launched();
}

}  // namespace hb::gpu
