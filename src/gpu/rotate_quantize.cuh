// SPDX-License-Identifier: Apache-2.0
// Rotate and quantize in one pass over memory, 32 columns a thread. A thread asks for its next
// columns before it works on those it has, so that memory is never idle; blocks stay for the whole
// run. Under RMSNorm a block is one row, which it keeps in registers while it sums the squares.
// Chunks that choose() refuses are done again at the end, by the reference and slowly: its
// registers must not burden the loop.
//
// Floor: 2 bytes in and .53 (MX) or .56 (NV) out for an element, at the bandwidth of a copy.
#pragma once

#include "gpu/primitives.cuh"
#include "gpu/rotate_rules.hpp"

namespace hb::gpu {

constexpr int kThreads = 256, kMostNormThreads = 1024;

// row, chunk of a running number without a division: q = floor(n / d), checked for n < 2^31.
struct Divide {
    unsigned magic, shift, divisor;
};

inline Divide make_divide(unsigned d) {
    unsigned log = 0;
    while (log < 31 && (1u << log) < d) ++log;
    const auto magic =
        static_cast<unsigned>(((std::uint64_t{1} << 32) * ((std::uint64_t{1} << log) - d)) / d + 1);
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
};

__device__ inline Place place_of(unsigned n, const Divide& d) {
    const unsigned row = divide(n, d);
    return {row, n - row * d.divisor};
}

// The 32 columns of a running number.
template <bool kLinear>
__device__ inline Raw load_chunk(const QuantizeArgs& a, const std::uint16_t* from, unsigned n,
                                 const Divide& d) {
    if constexpr (kLinear) return load_raw(from + std::size_t{n} * 32);
    const Place p = place_of(n, d);
    return load_raw(from + p.row * a.x_stride + std::int64_t{p.chunk} * 32, columns_of(a, p.chunk));
}

template <Rule kRule, bool kLinear>
__device__ inline void store_numbered(const QuantizeArgs& a, unsigned n, const Divide& d,
                                      const Chunk& c) {
    if constexpr (kLinear) {
        __stcs(reinterpret_cast<uint4*>(a.codes) + n,
               uint4{c.codes[0], c.codes[1], c.codes[2], c.codes[3]});
        if constexpr (is_mx(kRule))
            a.scales[n] = static_cast<std::uint8_t>(c.scales);
        else
            reinterpret_cast<std::uint16_t*>(a.scales)[n] = static_cast<std::uint16_t>(c.scales);
    } else {
        const Place p = place_of(n, d);
        store_chunk<kRule>(a, p.row, p.chunk, c);
    }
}

template <Front kFront>
__device__ inline void in_front(const Raw& raw, const Raw& other, float (&v)[32]) {
    unpack(raw, v);
    if constexpr (kFront == Front::silu_up) {
        float up[32];
        unpack(other, up);
#pragma unroll
        for (int i = 0; i < 32; ++i) v[i] = silu(v[i], up[i]);
    }
}

// All chunks of this thread by the reference.
template <Rule kRule, Front kFront>
__device__ __noinline__ void stream_slowly(const QuantizeArgs& a, const Constants& constants,
                                           unsigned total, const Divide& d) {
    for (unsigned n = blockIdx.x * kThreads + threadIdx.x; n - threadIdx.x % 32 < total;
         n += gridDim.x * kThreads) {
        Raw raw{}, other{};
        if (n < total) raw = load_chunk<false>(a, a.x, n, d);
        if (n < total && kFront == Front::silu_up) other = load_chunk<false>(a, a.other, n, d);
        float v[32];
        in_front<kFront>(raw, other, v);
        rotate(a, v, before_choice<kRule>(a));
        Chunk out;
        choose_slowly<kRule>(v, constants, out);
        if (n < total) store_numbered<kRule, false>(a, n, d, out);
    }
}

// kLinear: no gaps between rows, whole chunks, scales by rows.
template <Rule kRule, Front kFront, bool kLinear>
__global__ void __launch_bounds__(kThreads, kFront == Front::none ? 3 : 2)
    stream_kernel(const __grid_constant__ QuantizeArgs a, unsigned total,
                  const __grid_constant__ Divide d) {
    __shared__ NvStep steps[is_mx(kRule) ? 1 : kNvCodes];
    const unsigned stride = gridDim.x * kThreads;
    unsigned n = blockIdx.x * kThreads + threadIdx.x;
    Raw raw{}, other{};
    if (n < total) raw = load_chunk<kLinear>(a, a.x, n, d);
    if (n < total && kFront == Front::silu_up) other = load_chunk<kLinear>(a, a.other, n, d);
    const Constants constants = make_constants<kRule>(a, steps);
    bool plain = true;
    for (; n - threadIdx.x % 32 < total; n += stride) {  // whole warps: lanes exchange columns
        float v[32];
        in_front<kFront>(raw, other, v);
        if (n + stride < total) {
            raw = load_chunk<kLinear>(a, a.x, n + stride, d);
            if (kFront == Front::silu_up) other = load_chunk<kLinear>(a, a.other, n + stride, d);
        }
        rotate(a, v, before_choice<kRule>(a));
        Chunk out;
        plain = choose<kRule>(v, constants, out) && plain;
        if (n < total) store_numbered<kRule, kLinear>(a, n, d, out);
    }
    if (__any_sync(0xffffffffu, !plain)) stream_slowly<kRule, kFront>(a, constants, total, d);
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

// 1 / sqrt(mean of squares + epsilon) of the block's row.
__device__ inline float norm_scale(const QuantizeArgs& a, const float (&v)[32]) {
    float sum = 0;
#pragma unroll
    for (int i = 0; i < 32; ++i) sum = fmaf(v[i], v[i], sum);
    return 1 / sqrtf(block_sum(sum) / static_cast<float>(a.cols) + a.epsilon);
}

// v = x * scale * weight of this thread's columns.
__device__ inline void normalize(const QuantizeArgs& a, int columns, float scale, float (&v)[32]) {
    float w[32];
    unpack(load_raw(a.other + std::int64_t{threadIdx.x} * 32, columns), w);
#pragma unroll
    for (int i = 0; i < 32; ++i) v[i] = v[i] * scale * w[i];
}

__device__ inline Raw load_row_chunk(const QuantizeArgs& a, int columns) {
    return load_raw(a.x + blockIdx.x * a.x_stride + std::int64_t{threadIdx.x} * 32, columns);
}

// A warp's columns once more, by the reference.
template <Rule kRule>
__device__ __noinline__ void norm_slowly(const QuantizeArgs& a, const Constants& constants,
                                         int columns, float scale) {
    float v[32];
    unpack(load_row_chunk(a, columns), v);
    normalize(a, columns, scale, v);
    rotate(a, v, before_choice<kRule>(a));
    Chunk out;
    choose_slowly<kRule>(v, constants, out);
    if (columns > 0) store_chunk<kRule>(a, blockIdx.x, threadIdx.x, out);
}

// A row a block, 32 columns a thread.
template <Rule kRule, int kMostThreads>
__global__ void __launch_bounds__(kMostThreads)
    norm_kernel(const __grid_constant__ QuantizeArgs a) {
    __shared__ NvStep steps[is_mx(kRule) ? 1 : kNvCodes];
    const int columns = threadIdx.x < a.chunks ? columns_of(a, threadIdx.x) : 0;
    float v[32];
    unpack(load_row_chunk(a, columns), v);
    const Constants constants = make_constants<kRule>(a, steps);
    const float scale = norm_scale(a, v);
    normalize(a, columns, scale, v);
    rotate(a, v, before_choice<kRule>(a));
    Chunk out;
    const bool plain = choose<kRule>(v, constants, out);
    if (columns > 0) store_chunk<kRule>(a, blockIdx.x, threadIdx.x, out);
    if (__any_sync(0xffffffffu, !plain)) norm_slowly<kRule>(a, constants, columns, scale);
}

template <Rule kRule, Front kFront, bool kLinear>
Status launch_stream(const QuantizeArgs& a, Stream stream) {
    static const int resident = [] {
        int device = 0, processors = 0, blocks = 0;
        cudaGetDevice(&device);
        cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(
            &blocks, stream_kernel<kRule, kFront, kLinear>, kThreads, 0);
        return processors * blocks;
    }();
    if (resident <= 0) return launched();
    const std::int64_t total = a.rows * a.chunks, blocks = (total + kThreads - 1) / kThreads;
    return launch_kernel(stream_kernel<kRule, kFront, kLinear>,
                         dim3(static_cast<unsigned>(blocks < resident ? blocks : resident)),
                         kThreads, 0, stream, a, static_cast<unsigned>(total),
                         make_divide(a.chunks));
}

template <Rule kRule>
Status launch_rotate(const QuantizeArgs& a, Front front, Stream stream) {
    if (front == Front::silu_up) return launch_stream<kRule, Front::silu_up, false>(a, stream);
    if (front == Front::none) {
        const bool linear = a.cols % 32 == 0 && a.x_stride == a.cols && !a.swizzled &&
                            reinterpret_cast<std::uintptr_t>(a.scales) % 2 == 0;
        return linear ? launch_stream<kRule, Front::none, true>(a, stream)
                      : launch_stream<kRule, Front::none, false>(a, stream);
    }
    if (a.chunks > kMostNormThreads)
        return refuse("quantize: RMSNorm in front takes at most 32768 columns");
    const dim3 rows(static_cast<unsigned>(a.rows));
    const int threads = static_cast<int>((a.chunks + 31) / 32 * 32);
    return threads <= 512
               ? launch_kernel(norm_kernel<kRule, 512>, rows, threads, 0, stream, a)
               : launch_kernel(norm_kernel<kRule, kMostNormThreads>, rows, threads, 0, stream, a);
}

}  // namespace hb::gpu
