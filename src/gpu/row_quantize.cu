// SPDX-License-Identifier: Apache-2.0
// Eight bits with a scale a row (a token): E4M3 under A / 448 or INT8 under A / 127.5, A being the
// row's largest magnitude after the front and the rotation (schemes/rules_row.cpp). A block is a
// row, 32 columns a thread, in registers from the load to the store; quotients are true divisions,
// as in the reference.
//
// Floor: 2 bytes in and 1 out for an element.
#include "formats/e4m3.hpp"
#include "gpu/rotate_quantize.cuh"

namespace hb::gpu {

namespace {

__device__ float block_largest(float x) {
    __shared__ float warps[32];
    for (int lane = 16; lane > 0; lane /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, lane));
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = x;
    __syncthreads();
    x = threadIdx.x % 32 < blockDim.x / 32 ? warps[threadIdx.x % 32] : 0;
    for (int lane = 16; lane > 0; lane /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, lane));
    return x;
}

// Two codes, the first in the low byte.
template <bool kFloat>
__device__ std::uint32_t two_codes(float first, float second) {
    if constexpr (kFloat) {
        return two_e4m3(first, second);
    } else {  // adding 1.5 2^23 rounds to whole numbers and leaves them in the last bits
        const std::uint32_t low = bits(fminf(fmaxf(first, -128.f), 127.f) + 0x1.8p23f),
                            high = bits(fminf(fmaxf(second, -128.f), 127.f) + 0x1.8p23f);
        return (low & 0xffu) | (high & 0xffu) << 8;
    }
}

template <bool kFloat, Front kFront>
__global__ void __launch_bounds__(kMostNormThreads)
    row_kernel(const __grid_constant__ QuantizeArgs a) {
    const unsigned chunk = threadIdx.x;
    const int columns = chunk < a.chunks ? columns_of(a, chunk) : 0;
    const std::int64_t row = blockIdx.x, at = row * a.x_stride + std::int64_t{chunk} * 32;
    const Raw raw = load_row_chunk(a, columns);
    float v[32];
    if constexpr (kFront == Front::rms_norm) {
        unpack(raw, v);
        normalize(a, columns, norm_scale(a, v), v);
    } else {
        Raw other{};
        if (kFront == Front::silu_up) other = load_raw(a.other + at, columns);
        in_front<kFront>(raw, other, v);
    }
    rotate(a, v, a.factor);
    const float largest = block_largest(largest_of<32>(v));
    const float scale = largest == 0 ? 1.f : largest / (kFloat ? 448.f : 127.5f);
    if (chunk == 0) reinterpret_cast<float*>(a.scales)[row] = scale;
    std::uint32_t words[8];
#pragma unroll
    for (int i = 0; i < 8; ++i)
        words[i] = two_codes<kFloat>(v[4 * i] / scale, v[4 * i + 1] / scale) |
                   two_codes<kFloat>(v[4 * i + 2] / scale, v[4 * i + 3] / scale) << 16;
    auto* to = reinterpret_cast<uint4*>(a.codes + row * a.cols + std::int64_t{chunk} * 32);
    if (columns >= 16) to[0] = uint4{words[0], words[1], words[2], words[3]};
    if (columns == 32) to[1] = uint4{words[4], words[5], words[6], words[7]};
}

template <bool kFloat>
Status launch(const QuantizeArgs& a, Front front, Stream stream) {
    if (a.chunks > kMostNormThreads) return refuse("quantize: a row has at most 32768 columns");
    const dim3 rows(static_cast<unsigned>(a.rows));
    const int threads = static_cast<int>((a.chunks + 31) / 32 * 32);
    if (front == Front::none)
        return launch_kernel(row_kernel<kFloat, Front::none>, rows, threads, 0, stream, a);
    if (front == Front::rms_norm)
        return launch_kernel(row_kernel<kFloat, Front::rms_norm>, rows, threads, 0, stream, a);
    return launch_kernel(row_kernel<kFloat, Front::silu_up>, rows, threads, 0, stream, a);
}

}  // namespace

Status rotate_fp8(const QuantizeArgs& a, Front front, Stream stream) {
    return launch<true>(a, front, stream);
}
Status rotate_int8(const QuantizeArgs& a, Front front, Stream stream) {
    return launch<false>(a, front, stream);
}

}  // namespace hb::gpu
