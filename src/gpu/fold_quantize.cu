// SPDX-License-Identifier: Apache-2.0
// MXFP4 with its scales folded into E5M2 bytes (fold.cuh). A block takes row after row, 32 columns
// a thread, whose codes stay in registers until the row's largest scale is known; without a front
// it asks for its next row before it works on the one it has. The codes and scales are those of the
// other output, bit for bit.
//
// Floor: 2 bytes in and 1 out for an element.
#include "gpu/fold.cuh"
#include "gpu/rotate_quantize.cuh"

namespace hb::gpu {

namespace {

struct Range {
    unsigned largest, least;
};

__device__ Range warp_range(Range r) {
    return {__reduce_max_sync(0xffffffffu, r.largest), __reduce_min_sync(0xffffffffu, r.least)};
}

// Over the block, in every thread; `warps` is not written again before all have passed another.
__device__ Range block_range(Range x, Range* warps) {
    x = warp_range(x);
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = x;
    __syncthreads();
    return warp_range(warps[threadIdx.x % 32 < blockDim.x / 32 ? threadIdx.x % 32 : 0]);
}

struct RawRow {
    Raw x, other;
};

template <Front kFront>
__device__ RawRow load_row(const QuantizeArgs& a, unsigned row, int columns) {
    const std::int64_t at = row * a.x_stride + std::int64_t{threadIdx.x} * 32;
    RawRow raw{};
    raw.x = load_raw(a.x + at, columns);
    if (kFront == Front::silu_up) raw.other = load_raw(a.other + at, columns);
    return raw;
}

template <Front kFront>
__device__ void front_of_row(const QuantizeArgs& a, const RawRow& raw, int columns,
                             float (&v)[32]) {
    if constexpr (kFront == Front::rms_norm) {
        unpack(raw.x, v);
        normalize(a, columns, norm_scale(a, v), v);
    } else {
        in_front<kFront>(raw.x, raw.other, v);
    }
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
__device__ __noinline__ void split(const QuantizeArgs& a, unsigned row, int parts, int top,
                                   float unit, const Chunk& c, int s, int part) {
    __shared__ unsigned first;
    if (threadIdx.x == 0)
        first = a.extra_rows ? atomicAdd(a.extra_count, static_cast<unsigned>(parts)) : 0;
    __syncthreads();
    const std::int64_t slot = first;
    const bool fits = slot + parts <= a.extra_rows;
    auto* factors = reinterpret_cast<float*>(a.scales);
    store_folded(a, row, c, 0, false);
    if (threadIdx.x == 0) factors[row] = fits ? 0.f : number(0x7fc00000u);
    for (int p = 0; p < parts && slot + p < a.extra_rows; ++p) {
        if (fits) store_folded(a, a.rows + slot + p, c, s, part == p);
        if (threadIdx.x > 0) continue;
        factors[a.rows + slot + p] = power(top - 127 - kFoldTop - kFoldSpan * p) * unit;
        a.extra_of[slot + p] = fits ? static_cast<int>(row) : -1;
    }
}

// Where a thread's group lies below the row's largest scale.
struct Level {
    int top, parts, part, s;
    bool zero;
};

constexpr unsigned kNotPlain = 512;  // in place of a scale's byte

__device__ Level level_of(const Chunk& c, bool plain, Range* warps) {
    const bool zero = all_zero(c);
    const unsigned byte = plain ? c.scales : kNotPlain;
    const bool counts = !zero || !plain;
    const Range range = block_range({counts ? byte : 0u, counts ? byte : 255u}, warps);
    const int top = static_cast<int>(range.largest);
    const int below = zero ? 0 : top - static_cast<int>(c.scales), part = below / kFoldSpan;
    return {top, (top - static_cast<int>(range.least)) / kFoldSpan + 1, part,
            kFoldTop - below + part * kFoldSpan, zero};
}

template <Rule kRule>
__device__ float unit_of_rule() {
    return kRule == Rule::fp_quant ? 1.f / 3 : 1.f;
}

template <Rule kRule>
__device__ void store_row(const QuantizeArgs& a, unsigned row, const Chunk& c, const Level& l) {
    store_folded(a, row, c, l.s, !l.zero);
    if (threadIdx.x == 0)
        reinterpret_cast<float*>(a.scales)[row] =
            l.top == 0 ? 1.f : power(l.top - 127 - kFoldTop) * unit_of_rule<kRule>();
}

// All rows of this block once more, by the reference; those that are split only here.
template <Rule kRule, Front kFront>
__device__ __noinline__ void fold_slowly(const QuantizeArgs& a, const Constants& constants,
                                         int columns, Range (*warps)[32]) {
    int turn = 0;
    __syncthreads();
    for (unsigned row = blockIdx.x; row < a.rows; row += gridDim.x, turn ^= 1) {
        float v[32];
        front_of_row<kFront>(a, load_row<kFront>(a, row, columns), columns, v);
        rotate(a, v, 1);
        Chunk out;
        choose_slowly<kRule>(v, constants, out);
        const Level level = level_of(out, true, warps[turn]);
        if (level.parts == 1)
            store_row<kRule>(a, row, out, level);
        else
            split(a, row, level.parts, level.top, unit_of_rule<kRule>(), out, level.s,
                  level.zero ? -1 : level.part);
    }
}

template <Rule kRule, Front kFront, int kMostThreads>
__global__ void __launch_bounds__(kMostThreads, kMostThreads == 128   ? 6
                                                : kMostThreads == 448 ? 2
                                                                      : 1)
    fold_kernel(const __grid_constant__ QuantizeArgs a) {
    __shared__ Range warps[2][32];
    const int columns = threadIdx.x < a.chunks ? 32 : 0;
    const auto rows = static_cast<unsigned>(a.rows);
    const Constants constants = make_constants<kRule>(a, nullptr);
    constexpr bool kEarly = kFront == Front::none;  // others' operands take the registers
    RawRow raw{};
    if (kEarly) raw = load_row<kFront>(a, blockIdx.x, columns);
    int turn = 0;
    bool slow = false;
    for (unsigned row = blockIdx.x; row < rows; row += gridDim.x, turn ^= 1) {
        float v[32];
        if (!kEarly) raw = load_row<kFront>(a, row, columns);
        front_of_row<kFront>(a, raw, columns, v);
        if (kEarly && row + gridDim.x < rows) raw = load_row<kFront>(a, row + gridDim.x, columns);
        rotate(a, v, 1);
        Chunk out;
        const bool plain = choose<kRule>(v, constants, out);
        const Level level = level_of(out, plain, warps[turn]);
        if (level.parts == 1 && level.top < 256)
            store_row<kRule>(a, row, out, level);
        else
            slow = true;
    }
    if (slow) fold_slowly<kRule, kFront>(a, constants, columns, warps);
}

template <Rule kRule, Front kFront, int kMostThreads>
Status launch_rows(const QuantizeArgs& a, int threads, Stream stream) {
    int device = 0, processors = 0, blocks = 0;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
    cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, fold_kernel<kRule, kFront, kMostThreads>,
                                                  threads, 0);
    if (processors * blocks <= 0) return launched();
    const std::int64_t most = processors * blocks;
    const dim3 grid(static_cast<unsigned>(a.rows < most ? a.rows : most));
    return launch_kernel(fold_kernel<kRule, kFront, kMostThreads>, grid, threads, 0, stream, a);
}

template <Rule kRule, Front kFront>
Status launch(const QuantizeArgs& a, Stream stream) {
    const int threads = static_cast<int>((a.chunks + 31) / 32 * 32);
    if (threads <= 128) return launch_rows<kRule, kFront, 128>(a, threads, stream);
    if (threads <= 448) return launch_rows<kRule, kFront, 448>(a, threads, stream);
    return launch_rows<kRule, kFront, kMostNormThreads>(a, threads, stream);
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
