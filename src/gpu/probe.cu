// SPDX-License-Identifier: Apache-2.0
// A block multiplies 64 rows by a B operand of one number, which is the same in every layout.
#include "gpu/probe.hpp"

#include "gpu/hopper.cuh"

namespace hb::gpu {

namespace {

__global__ void __launch_bounds__(128)
    probe_kernel(const std::uint8_t* bytes, const float* starts, float* sums, std::uint32_t other) {
    __shared__ __align__(1024) std::uint32_t numbers[256];
    numbers[threadIdx.x] = numbers[threadIdx.x + 128] = other * 0x01010101u;
    shared_to_engine();
    __syncthreads();
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int row =
        static_cast<int>(blockIdx.x) * 64 + static_cast<int>(threadIdx.x) / 32 * 16 + lane / 4;
    std::uint32_t a[4];
    for (int i = 0; i < 4; ++i)
        a[i] = *reinterpret_cast<const std::uint32_t*>(bytes + (row + i % 2 * 8) * 32 + i / 2 * 16 +
                                                       lane % 4 * 4);
    float d[4] = {starts[row], starts[row], starts[row + 8], starts[row + 8]};
    pin(d);
    products_fence();
    multiply(d, a, operand(shared_address(numbers)), 1);
    products_commit();
    products_wait<0>();
    pin(d);
    if (lane % 4 == 0) {
        sums[row] = d[0];
        sums[row + 8] = d[2];
    }
}

}  // namespace

Status probe_accumulator(const std::uint8_t* bytes, const float* starts, float* sums,
                         std::int64_t rows, std::uint8_t other, Stream stream) {
    if (rows <= 0 || rows % 64) return refuse("probe: rows must be a multiple of 64");
    return launch_kernel(probe_kernel, dim3(static_cast<unsigned>(rows / 64)), 128, 0, stream,
                         bytes, starts, sums, std::uint32_t{other});
}

}  // namespace hb::gpu
