// SPDX-License-Identifier: Apache-2.0
// Rotate and quantize in one pass over memory, 32 columns a thread. A thread asks for its next
// columns before it works on those it has, so that memory is never idle; blocks stay for the whole
// run. Under RMSNorm a block is one row, which it keeps in registers while it sums the squares.
//
// Floor: 2 bytes in and .53 (MX) or .56 (NV) out for an element, at the bandwidth of a copy.
#pragma once

#include <cuda_runtime.h>

#include "gpu/quantize_args.cuh"

namespace hb::gpu {

constexpr int kThreads = 256, kMostNormThreads = 1024;

// row, chunk of a running number without a division: q = floor(n / d), checked for n < 2^31.
struct Divide {
    unsigned magic, shift, divisor;
};

inline Divide make_divide(unsigned d) {
    unsigned log = 0;
    while (log < 31 && (1u << log) < d) ++log;
    const auto magic = static_cast<unsigned>(((std::uint64_t{1} << 32) * ((std::uint64_t{1} << log) - d)) / d + 1);
    return {magic, log, d};
}

__device__ inline unsigned divide(unsigned n, const Divide& d) {
    return (__umulhi(n, d.magic) + n) >> d.shift;
}

__device__ inline float silu(float gate, float up) {
    return gate / (1 + __expf(-gate)) * up;
}

struct Place {
    std::int64_t row;
    unsigned chunk;
    bool inside;
};

__device__ inline Place place_of(const QuantizeArgs& a, unsigned n, unsigned total, const Divide& d) {
    const unsigned row = divide(n, d);
    return {row, n - row * d.divisor, n < total};
}

template <Rule kRule, bool kSilu>
__global__ void __launch_bounds__(kThreads, 3)
    stream_kernel(const __grid_constant__ QuantizeArgs a, unsigned total, Divide per_row) {
    __shared__ NvStep steps[is_mx(kRule) ? 1 : kNvCodes];
    const unsigned stride = gridDim.x * kThreads;
    unsigned n = blockIdx.x * kThreads + threadIdx.x;
    Place next = place_of(a, n, total, per_row);
    const auto load = [&](const std::uint16_t* from, const Place& p) {
        return load_raw(from + p.row * a.x_stride + std::int64_t{p.chunk} * 32,
                        p.inside ? columns_of(a, p.chunk) : 0);
    };
    Raw raw = load(a.x, next), other;
    if constexpr (kSilu) other = load(a.other, next);
    const Constants constants = make_constants<kRule>(a, steps);
    for (; n - threadIdx.x % 32 < total; n += stride) {  // whole warps: lanes exchange columns
        float v[32];
        unpack(raw, v);
        if constexpr (kSilu) {
            float up[32];
            unpack(other, up);
#pragma unroll
            for (int i = 0; i < 32; ++i) v[i] = silu(v[i], up[i]);
        }
        const Place here = next;
        next = place_of(a, n + stride, total, per_row);
        raw = load(a.x, next);
        if constexpr (kSilu) other = load(a.other, next);
        rotate_and_store<kRule>(a, constants, v, here.row, here.chunk, here.inside);
    }
}

// The sum over the block, in every thread.
__device__ inline float block_sum(float x) {
    __shared__ float warps[32];
    for (int lane = 16; lane > 0; lane /= 2) x += __shfl_xor_sync(0xffffffffu, x, lane);
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = x;
    __syncthreads();
    x = threadIdx.x % 32 < blockDim.x / 32 ? warps[threadIdx.x % 32] : 0;
    for (int lane = 16; lane > 0; lane /= 2) x += __shfl_xor_sync(0xffffffffu, x, lane);
    return x;
}

// A row a block, 32 columns a thread.
template <Rule kRule>
__global__ void __launch_bounds__(kMostNormThreads)
    norm_kernel(const __grid_constant__ QuantizeArgs a) {
    __shared__ NvStep steps[is_mx(kRule) ? 1 : kNvCodes];
    const Place p{blockIdx.x, threadIdx.x, threadIdx.x < a.chunks};
    const int columns = p.inside ? columns_of(a, p.chunk) : 0;
    const Raw raw = load_raw(a.x + p.row * a.x_stride + std::int64_t{p.chunk} * 32, columns);
    const Raw weights = load_raw(a.other + std::int64_t{p.chunk} * 32, columns);
    const Constants constants = make_constants<kRule>(a, steps);
    float v[32], w[32], sum = 0;
    unpack(raw, v);
#pragma unroll
    for (int i = 0; i < 32; ++i) sum = fmaf(v[i], v[i], sum);
    const float scale = 1 / sqrtf(block_sum(sum) / static_cast<float>(a.cols) + a.epsilon);
    unpack(weights, w);
#pragma unroll
    for (int i = 0; i < 32; ++i) v[i] = v[i] * scale * w[i];
    rotate_and_store<kRule>(a, constants, v, p.row, p.chunk, p.inside);
}

template <Rule kRule, bool kSilu>
Status launch_stream(const QuantizeArgs& a, Stream stream) {
    static const int resident = [] {
        int device = 0, processors = 0, blocks = 0;
        cudaGetDevice(&device);
        cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, stream_kernel<kRule, kSilu>, kThreads, 0);
        return processors * blocks;
    }();
    const std::int64_t total = a.rows * a.chunks;
    const std::int64_t blocks = (total + kThreads - 1) / kThreads;
    if (resident <= 0) return launched();
    stream_kernel<kRule, kSilu>
        <<<static_cast<unsigned>(blocks < resident ? blocks : resident), kThreads, 0, stream>>>(
            a, static_cast<unsigned>(total), make_divide(a.chunks));
    return launched();
}

template <Rule kRule>
Status launch_rotate(const QuantizeArgs& a, Front front, Stream stream) {
    if (front == Front::silu_up) return launch_stream<kRule, true>(a, stream);
    if (front == Front::none) return launch_stream<kRule, false>(a, stream);
    if (a.chunks > kMostNormThreads)
        return refuse("quantize: RMSNorm in front takes at most 32768 columns");
    norm_kernel<kRule>
        <<<static_cast<unsigned>(a.rows), (a.chunks + 31) / 32 * 32, 0, stream>>>(a);
    return launched();
}

// One rule a file: they take long to compile.
Status rotate_fp_quant(const QuantizeArgs& a, Front front, Stream stream);
Status rotate_ceil725(const QuantizeArgs& a, Front front, Stream stream);
Status rotate_mse(const QuantizeArgs& a, Front front, Stream stream);
Status rotate_absmax(const QuantizeArgs& a, Front front, Stream stream);
Status rotate_four_over_six(const QuantizeArgs& a, Front front, Stream stream);
Status rotate_sweep4(const QuantizeArgs& a, Front front, Stream stream);
Status rotate_sweep8(const QuantizeArgs& a, Front front, Stream stream);

}  // namespace hb::gpu
