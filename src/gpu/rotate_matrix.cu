// SPDX-License-Identifier: Apache-2.0
// Rotation by any given matrix T (bf16, blocks of 16 to 128): x' = x T by the tensor cores, then
// scales and codes as for Hadamard. A warp multiplies 16 rows by 64 columns at a time: x through
// shared memory into A fragments, T (transposed, kept in shared memory by the block) as B, and the
// sums through shared memory again, so that a lane has 32 neighbouring columns of a row. The tensor
// cores add in an order of their own, so codes may differ from the reference where a number lies
// within rounding of a tie.
#include "gpu/primitives.cuh"
#include "gpu/rotate_rules.hpp"

namespace hb::gpu {

namespace {

constexpr int kWarps = 4, kRows = 16, kCols = 64, kMostBlock = 128;
constexpr int kPad = 8;  // bf16: rows 16 bytes apart in the banks
constexpr int kTileBytes = kRows * (kMostBlock + kPad) * 2;  // of x; then of the sums, in fp32
constexpr int kSumStride = kCols + 4;
static_assert(kRows * kSumStride * 4 <= kTileBytes);

__device__ std::uint32_t pair_at(const std::uint16_t* p) {
    return *reinterpret_cast<const std::uint32_t*>(p);
}

// 16 rows of `width` columns from (row, col) on, zeros where there is nothing.
__device__ void load_tile(const QuantizeArgs& a, std::uint16_t* tile, std::int64_t row,
                          std::int64_t col, int width, int lane) {
    const int chunks = width / 8;
    for (int i = lane; i < kRows * chunks; i += 32) {
        const int r = i / chunks, c = i % chunks * 8;
        uint4 v{};
        if (row + r < a.rows && col + c < a.cols)
            v = *reinterpret_cast<const uint4*>(a.x + (row + r) * a.x_stride + col + c);
        *reinterpret_cast<uint4*>(tile + r * (kMostBlock + kPad) + c) = v;
    }
}

template <Rule kRule>
__device__ __noinline__ void again_slowly(float* v, const Constants& constants, Chunk& out) {
    choose_slowly<kRule>(v, constants, out);
}

template <Rule kRule>
__global__ void __launch_bounds__(kWarps * 32)
    matrix_kernel(const __grid_constant__ QuantizeArgs a, const std::uint16_t* matrix) {
    unsigned char* const shared = dynamic_shared();
    __shared__ NvStep steps[is_mx(kRule) ? 1 : kNvCodes];
    auto* const transposed = reinterpret_cast<std::uint16_t*>(shared + kWarps * kTileBytes);
    const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
    auto* const tile = reinterpret_cast<std::uint16_t*>(shared + warp * kTileBytes);
    auto* const sums = reinterpret_cast<float*>(tile);
    const int block = a.block, stride = block + kPad, g = lane / 4, t = lane % 4;
    for (int i = static_cast<int>(threadIdx.x); i < block * block; i += kWarps * 32)
        transposed[i % block * stride + i / block] = matrix[i];
    const Constants constants = make_constants<kRule>(a, steps);
    __syncthreads();

    const std::int64_t across = (a.cols + kCols - 1) / kCols,
                       tiles = (a.rows + kRows - 1) / kRows * across;
    const int width = block > kCols ? block : kCols;
    for (std::int64_t n = std::int64_t{blockIdx.x} * kWarps + warp; n < tiles;
         n += std::int64_t{gridDim.x} * kWarps) {
        const std::int64_t row = n / across * kRows, col = n % across * kCols,
                           from = col / width * width;
        load_tile(a, tile, row, from, width, lane);
        __syncwarp();
        float c[kCols / 8][4] = {};
#pragma unroll
        for (int j = 0; j < kCols / 8; ++j) {
            const int column = static_cast<int>(col - from) + 8 * j, first = column / block * block;
            const std::uint16_t* b = transposed + (column - first + g) * stride + 2 * t;
            const std::uint16_t* x = tile + g * (kMostBlock + kPad) + first + 2 * t;
            for (int k = 0; k < block; k += 16) {
                const std::uint32_t fragment[4] = {
                    pair_at(x + k), pair_at(x + 8 * (kMostBlock + kPad) + k), pair_at(x + k + 8),
                    pair_at(x + 8 * (kMostBlock + kPad) + k + 8)};
                multiply_add(c[j], fragment, pair_at(b + k), pair_at(b + k + 8));
            }
        }
        __syncwarp();
#pragma unroll
        for (int j = 0; j < kCols / 8; ++j) {
            *reinterpret_cast<float2*>(sums + g * kSumStride + 8 * j + 2 * t) =
                float2{c[j][0], c[j][1]};
            *reinterpret_cast<float2*>(sums + (g + 8) * kSumStride + 8 * j + 2 * t) =
                float2{c[j][2], c[j][3]};
        }
        __syncwarp();
        float v[32], copy[32];
#pragma unroll
        for (int i = 0; i < 32; i += 4) {
            const float4 four =
                *reinterpret_cast<const float4*>(sums + lane / 2 * kSumStride + lane % 2 * 32 + i);
            v[i] = copy[i] = four.x;
            v[i + 1] = copy[i + 1] = four.y;
            v[i + 2] = copy[i + 2] = four.z;
            v[i + 3] = copy[i + 3] = four.w;
        }
        __syncwarp();
        Chunk out;
        if (!choose<kRule>(v, constants, out)) again_slowly<kRule>(copy, constants, out);
        const auto chunk = static_cast<unsigned>(col / 32) + static_cast<unsigned>(lane % 2);
        if (row + lane / 2 < a.rows && chunk < a.chunks)
            store_chunk<kRule>(a, row + lane / 2, chunk, out);
    }
}

}  // namespace

template <Rule kRule>
Status launch_matrix(const QuantizeArgs& a, const void* matrix, Stream stream) {
    const int bytes = kWarps * kTileBytes + a.block * (a.block + kPad) * 2;
    if (cudaFuncSetAttribute(matrix_kernel<kRule>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             kWarps * kTileBytes + kMostBlock * (kMostBlock + kPad) * 2) !=
        cudaSuccess)
        return launched();
    const std::int64_t tiles = (a.rows + kRows - 1) / kRows * ((a.cols + kCols - 1) / kCols);
    const std::int64_t blocks = (tiles + kWarps - 1) / kWarps;
    return launch_kernel(matrix_kernel<kRule>,
                         dim3(static_cast<unsigned>(blocks < 132 * 4 ? blocks : 132 * 4)),
                         kWarps * 32, bytes, stream, a, static_cast<const std::uint16_t*>(matrix));
}

template Status launch_matrix<Rule::fp_quant>(const QuantizeArgs&, const void*, Stream);
template Status launch_matrix<Rule::ceil725>(const QuantizeArgs&, const void*, Stream);
template Status launch_matrix<Rule::mse>(const QuantizeArgs&, const void*, Stream);
template Status launch_matrix<Rule::absmax>(const QuantizeArgs&, const void*, Stream);
template Status launch_matrix<Rule::four_over_six>(const QuantizeArgs&, const void*, Stream);
template Status launch_matrix<Rule::sweep4>(const QuantizeArgs&, const void*, Stream);
template Status launch_matrix<Rule::sweep8>(const QuantizeArgs&, const void*, Stream);

}  // namespace hb::gpu
