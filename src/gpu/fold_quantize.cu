// SPDX-License-Identifier: Apache-2.0
// MXFP4 with its scales folded into E5M2 bytes (fold.cuh). A block is a row, 32 columns a thread,
// whose codes stay in registers until the row's largest scale is known. The codes and scales are
// those of the other output, bit for bit.
//
// Floor: 2 bytes in and 1 out for an element.
#include "gpu/fold.cuh"
#include "gpu/rotate_quantize.cuh"

namespace hb::gpu {

namespace {

struct Range {
    float largest, least;
};

// Over the block, in every thread.
__device__ Range block_range(Range x) {
    __shared__ Range warps[32];
    const auto lanes = [](Range r) {
        for (int lane = 16; lane > 0; lane /= 2) {
            r.largest = fmaxf(r.largest, __shfl_xor_sync(0xffffffffu, r.largest, lane));
            r.least = fminf(r.least, __shfl_xor_sync(0xffffffffu, r.least, lane));
        }
        return r;
    };
    x = lanes(x);
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = x;
    __syncthreads();
    return lanes(warps[threadIdx.x % 32 < blockDim.x / 32 ? threadIdx.x % 32 : 0]);
}

template <Front kFront>
__device__ void front_of_row(const QuantizeArgs& a, int columns, float scale, float (&v)[32]) {
    const Raw raw = load_row_chunk(a, columns);
    if constexpr (kFront == Front::rms_norm) {
        unpack(raw, v);
        normalize(a, columns, scale, v);
    } else {
        Raw other{};
        if (kFront == Front::silu_up)
            other = load_raw(a.other + blockIdx.x * a.x_stride + std::int64_t{threadIdx.x} * 32,
                             columns);
        in_front<kFront>(raw, other, v);
    }
}

// A warp's columns once more, by the reference.
template <Rule kRule, Front kFront>
__device__ __noinline__ void fold_slowly(const QuantizeArgs& a, const Constants& constants,
                                         int columns, float scale, Chunk& out) {
    float v[32];
    front_of_row<kFront>(a, columns, scale, v);
    rotate(a, v, 1);
    choose_slowly<kRule>(v, constants, out);
}

__device__ bool all_zero(const Chunk& c) {
    return ((c.codes[0] | c.codes[1] | c.codes[2] | c.codes[3]) & 0x77777777u) == 0;
}

// 2^e for e from -149 to 127.
__device__ float power(int e) {
    return e < -126 ? number(1u << (e + 149)) : number(static_cast<std::uint32_t>(e + 127) << 23);
}

__device__ void store_folded(const QuantizeArgs& a, std::int64_t row, const Chunk& c, int s,
                             bool here) {
    std::uint32_t words[8] = {};
    if (here) {
        const FoldTable table = fold_table(s);
#pragma unroll
        for (int i = 0; i < 4; ++i) fold_codes(c.codes[i], table, words + 2 * i);
    }
    if (threadIdx.x >= a.chunks) return;
    auto* to = reinterpret_cast<uint4*>(a.codes + row * a.cols + std::int64_t{threadIdx.x} * 32);
    to[0] = uint4{words[0], words[1], words[2], words[3]};
    to[1] = uint4{words[4], words[5], words[6], words[7]};
}

// Parts 0, 1, ... of a row that has more than one, in neighbouring extra rows.
__device__ __noinline__ void split(const QuantizeArgs& a, int parts, int top, float unit,
                                   const Chunk& c, int s, int part) {
    __shared__ unsigned first;
    if (threadIdx.x == 0)
        first = a.extra_rows ? atomicAdd(a.extra_count, static_cast<unsigned>(parts)) : 0;
    __syncthreads();
    const std::int64_t slot = first;
    const bool fits = slot + parts <= a.extra_rows;
    auto* factors = reinterpret_cast<float*>(a.scales);
    store_folded(a, blockIdx.x, c, 0, false);
    if (threadIdx.x == 0) factors[blockIdx.x] = fits ? 0.f : number(0x7fc00000u);
    for (int p = 0; p < parts && slot + p < a.extra_rows; ++p) {
        if (fits) store_folded(a, a.rows + slot + p, c, s, part == p);
        if (threadIdx.x > 0) continue;
        factors[a.rows + slot + p] = power(top - 127 - kFoldTop - kFoldSpan * p) * unit;
        a.extra_of[slot + p] = fits ? static_cast<int>(blockIdx.x) : -1;
    }
}

template <Rule kRule, Front kFront, int kMostThreads>
__global__ void __launch_bounds__(kMostThreads, kMostThreads == 128 ? 6 : 1024 / kMostThreads)
    fold_kernel(const __grid_constant__ QuantizeArgs a) {
    const int columns = threadIdx.x < a.chunks ? 32 : 0;
    const Constants constants = make_constants<kRule>(a, nullptr);
    float v[32], scale = 1;
    if constexpr (kFront == Front::rms_norm) {
        unpack(load_row_chunk(a, columns), v);
        scale = norm_scale(a, v);
        normalize(a, columns, scale, v);
    } else {
        front_of_row<kFront>(a, columns, scale, v);
    }
    rotate(a, v, 1);
    Chunk out;
    const bool plain = choose<kRule>(v, constants, out);
    if (__any_sync(0xffffffffu, !plain))
        fold_slowly<kRule, kFront>(a, constants, columns, scale, out);
    const auto byte = static_cast<float>(out.scales);
    const bool zero = all_zero(out);
    const Range range = block_range({zero ? 0 : byte, zero ? 255 : byte});
    const int top = static_cast<int>(range.largest);
    const int below = zero ? 0 : top - static_cast<int>(out.scales);
    const int part = below / kFoldSpan, s = kFoldTop - below + part * kFoldSpan;
    const int parts = (top - static_cast<int>(range.least)) / kFoldSpan + 1;
    const float unit = kRule == Rule::fp_quant ? 1.f / 3 : 1.f;
    if (parts > 1) {
        split(a, parts, top, unit, out, s, zero ? -1 : part);
        return;
    }
    store_folded(a, blockIdx.x, out, s, !zero);
    if (threadIdx.x == 0)
        reinterpret_cast<float*>(a.scales)[blockIdx.x] =
            top == 0 ? 1.f : power(top - 127 - kFoldTop) * unit;
}

template <Rule kRule, Front kFront>
Status launch(const QuantizeArgs& a, Stream stream) {
    const dim3 rows(static_cast<unsigned>(a.rows));
    const int threads = static_cast<int>((a.chunks + 31) / 32 * 32);
    if (threads <= 128)
        return launch_kernel(fold_kernel<kRule, kFront, 128>, rows, threads, 0, stream, a);
    if (threads <= 512)
        return launch_kernel(fold_kernel<kRule, kFront, 512>, rows, threads, 0, stream, a);
    return launch_kernel(fold_kernel<kRule, kFront, kMostNormThreads>, rows, threads, 0, stream, a);
}

template <Rule kRule>
Status launch(const QuantizeArgs& a, Front front, Stream stream) {
    if (front == Front::silu_up) return launch<kRule, Front::silu_up>(a, stream);
    if (front == Front::rms_norm) return launch<kRule, Front::rms_norm>(a, stream);
    return launch<kRule, Front::none>(a, stream);
}

}  // namespace

Status rotate_folded(const QuantizeArgs& a, Rule rule, Front front, Stream stream) {
    if (a.chunks > kMostNormThreads) return refuse("quantize: a row has at most 32768 columns");
    if (a.extra_rows > 0 && cudaMemsetAsync(a.extra_count, 0, 4, stream) != cudaSuccess)
        return launched();
    if (rule == Rule::fp_quant) return launch<Rule::fp_quant>(a, front, stream);
    if (rule == Rule::ceil725) return launch<Rule::ceil725>(a, front, stream);
    return launch<Rule::mse>(a, front, stream);
}

}  // namespace hb::gpu
