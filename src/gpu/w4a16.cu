// SPDX-License-Identifier: Apache-2.0
// y = x W^T for up to 64 rows of x: reading the weights once is all the time there is.
//
// Floor: (4.25 (MX), 4.5 (NV), 4.5 or 4.125 (INT4)) / 8 bytes a weight at a copy's bandwidth.
//
// Every processor has one block, one pass (w4a16_plan.hpp): steps along K lie in a ring in shared
// memory that is filled several steps ahead. A lane copies the weights that it will multiply, all
// threads copy x together; where a slice's x fits as a whole, warps do not wait for one another
// between steps. The weights of the first steps are asked for before the kernel ahead in the stream
// has ended. At the end the sums of the warps and blocks that share rows are added in their order,
// so every run gives the same bits.
#include "gpu/cluster.cuh"
#include "gpu/w4a16_multiply.cuh"

namespace hb::gpu {

namespace {

struct Args {
    const std::uint8_t *codes, *scales;
    const std::uint16_t* x;
    std::int64_t x_stride;
    std::uint16_t* y;
    std::int64_t y_stride;
    int rows, row_blocks, col_blocks;
    std::int64_t out, in;
    float alpha;
    W4A16Plan plan;
};

// Where a block and its threads are.
struct Here {
    int warp, lane, part;
    int first_row_block;            // of the warp
    int first_half, halves, steps;  // of the block
};

__device__ Here find_place(const Args& a) {
    const W4A16Plan& p = a.plan;
    const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
    const int bundle = static_cast<int>(blockIdx.y) * p.bundles + warp / p.parts;
    const int first = static_cast<int>(blockIdx.x) * p.halves;
    const int halves = min(p.halves, 2 * a.col_blocks - first);
    return {warp,
            lane,
            warp % p.parts,
            bundle * p.each,
            first,
            halves,
            (halves + p.parts - 1) / p.parts};
}

// Copies of the warp's weights, step after step.
template <WeightFormat kFormat, int kEach>
struct Feed {
    Source<kFormat> from[kEach];
    int left, lane, parts;  // left: halves from the next one on

    __device__ Feed(const Args& a, const Here& at) : lane(at.lane), parts(a.plan.parts) {
        left = at.halves - at.part;
#pragma unroll
        for (int r = 0; r < kEach; ++r) {
            const int block = min(at.first_row_block + r, a.row_blocks - 1);
            from[r] = source_of<kFormat>(
                a.codes, a.scales, std::int64_t{block} * 2 * a.col_blocks + at.first_half + at.part,
                lane);
        }
    }
    __device__ void next(unsigned char* slot) {
        if (left <= 0) return;
        left -= parts;
#pragma unroll
        for (int r = 0; r < kEach; ++r) {
            fetch_half<kFormat>(from[r], lane, slot + r * half_bytes(kFormat));
            from[r].codes += parts * (kUnitBytes / 2);
            from[r].scales += parts * (unit_scale_bytes(kFormat) / 2);
        }
    }
};

// A step's columns of x, zeros beyond the last: a thread's are in one column of 16 bytes.
__device__ void fetch_x(const Args& a, const Here& at, int step, unsigned char* to, int row_bytes) {
    const int chunks = a.plan.parts * (kHalfCols / 8);  // a power of two, divides the threads
    const int chunk = static_cast<int>(threadIdx.x) & (chunks - 1);
    const int first = static_cast<int>(threadIdx.x) / chunks;
    const int stride = 2 * a.plan.bundles;
    const int col = (at.first_half + step * a.plan.parts) * kHalfCols + chunk * 8;
    const bool there = col < a.in;
    const std::uint16_t* from = a.x + first * a.x_stride + (there ? col : 0);
    unsigned char* there_to = to + first * row_bytes + chunk * 16;
    for (int row = first; row < a.rows; row += stride) {
        copy_or_zero(there_to, from, there);
        from += stride * a.x_stride;
        there_to += stride * row_bytes;
    }
}

// Sums of 4 (weight rows g and g + 8, rows 2t and 2t + 1 of x; lane 4 g + t) over the block's parts
// and the cluster, each block a share of them.
template <int kEach, int kTiles>
__device__ void add_and_store(const Args& a, const float* sums) {
    constexpr int kOf = kEach * kTiles * 32;  // of a warp
    const int slices = static_cast<int>(gridDim.x), parts = a.plan.parts;
    for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < a.plan.bundles * kOf;
         i += slices * static_cast<int>(blockDim.x)) {
        const int bundle = i / kOf, r = i / (kTiles * 32) % kEach, tile = i / 32 % kTiles,
                  g = i % 32 / 4, t = i % 4;
        const int row = tile * 8 + 2 * t;
        const int block = (static_cast<int>(blockIdx.y) * a.plan.bundles + bundle) * kEach + r;
        if (row >= a.rows || block >= a.row_blocks) continue;
        float4 sum{};
        for (int s = 0; s < slices; ++s) {
#pragma unroll 4
            for (int part = 0; part < parts; ++part) {
                const float* from = sums + ((bundle * parts + part) * kOf + i % kOf) * 4;
                const float4 v = slices == 1 ? *reinterpret_cast<const float4*>(from)
                                             : read_peer(from, static_cast<unsigned>(s));
                sum.x += v.x;
                sum.y += v.y;
                sum.z += v.z;
                sum.w += v.w;
            }
        }
        const std::int64_t n = std::int64_t{block} * kUnitRows + g;
        std::uint16_t* const y = a.y + row * a.y_stride + n;
        if (n < a.out) y[0] = nearest_bf16(sum.x * a.alpha);
        if (n + 8 < a.out) y[8] = nearest_bf16(sum.z * a.alpha);
        if (row + 1 >= a.rows) continue;
        if (n < a.out) y[a.y_stride] = nearest_bf16(sum.y * a.alpha);
        if (n + 8 < a.out) y[a.y_stride + 8] = nearest_bf16(sum.w * a.alpha);
    }
}

template <WeightFormat kFormat, int kTiles>
__global__ void __launch_bounds__(most_warps(kFormat, kTiles) * 32, 1)
    kernel(const __grid_constant__ Args a) {
    constexpr int kEach = each_of(kFormat, kTiles), kRing = ring_of(kTiles);
    unsigned char* const shared = dynamic_shared();
    const W4A16Plan& p = a.plan;
    const Here at = find_place(a);
    const int slot_bytes = p.warps() * kEach * half_bytes(kFormat), row_bytes = x_row_bytes(p);
    const int step_bytes = p.parts * kHalfCols * 2;  // of a row of x
    const int x_bytes = p.whole_x ? step_bytes : x_rows(kTiles, a.rows) * row_bytes;
    const int x_slots = p.whole_x ? at.steps : kRing;
    unsigned char* const slots = shared + at.warp * kEach * half_bytes(kFormat);
    unsigned char* const x = shared + kRing * slot_bytes;
    Feed<kFormat, kEach> feed(a, at);
    for (int step = 0; step < kRing - 1; ++step) feed.next(slots + step * slot_bytes);
    wait_for_stream();
    for (int step = 0; p.whole_x && step < at.steps; ++step)
        fetch_x(a, at, step, x + step * x_bytes, row_bytes);
    for (int step = 0; step < kRing - 1; ++step) {
        if (!p.whole_x && step < at.steps) fetch_x(a, at, step, x + step * x_bytes, row_bytes);
        commit();
    }
    let_next_start();

    // Rows of x that are missing may hold anything: their sums are not stored.
    const int row = kTiles == 1 ? min(at.lane / 4, a.rows - 1) : at.lane / 4;
    const unsigned char* const mine =
        x + row * row_bytes + at.lane % 4 * 16 + at.part * kHalfCols * 2;
    float c[kEach][kTiles][4] = {};
    int slot = 0, next = kRing - 1, x_slot = 0, x_next = kRing - 1;
    for (int step = 0; step < at.steps; ++step) {
        wait<kRing - 2>();
        if (step == 0 || !p.whole_x) __syncthreads();
        Half<kFormat> now[kEach];
#pragma unroll
        for (int r = 0; r < kEach; ++r)
            read_half<kFormat>(slots + slot * slot_bytes + r * half_bytes(kFormat), at.lane,
                               now[r]);
        feed.next(slots + next * slot_bytes);
        if (!p.whole_x && step + kRing - 1 < at.steps)
            fetch_x(a, at, step + kRing - 1, x + x_next * x_bytes, row_bytes);
        commit();
        const unsigned char* const columns = mine + x_slot * x_bytes;
        if (step * p.parts + at.part < at.halves) {
            multiply_half<kFormat, kEach, kTiles>(now, c, [&](int tile, int column) {
                return *reinterpret_cast<const uint4*>(columns + tile * 8 * row_bytes + column * 2);
            });
        }
        next = slot;
        slot = slot + 1 == kRing ? 0 : slot + 1;
        x_next = x_slot;
        x_slot = x_slot + 1 == x_slots ? 0 : x_slot + 1;
    }
    __syncthreads();  // the ring becomes the place of the sums
    float* const sums = reinterpret_cast<float*>(shared);
#pragma unroll
    for (int i = 0; i < kEach * kTiles; ++i) {
        const float(&four)[4] = c[i / kTiles][i % kTiles];
        *reinterpret_cast<float4*>(sums + ((at.warp * kEach * kTiles + i) * 32 + at.lane) * 4) =
            float4{four[0], four[1], four[2], four[3]};
    }
    if (gridDim.x > 1)
        meet_cluster();
    else
        __syncthreads();
    add_and_store<kEach, kTiles>(a, sums);
    if (gridDim.x > 1) leave_cluster();  // others may still read here
}

template <WeightFormat kFormat, int kTiles>
Status launch(const Args& a, Stream stream) {
    if (cudaFuncSetAttribute(kernel<kFormat, kTiles>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             a.plan.shared_bytes) != cudaSuccess)
        return launched();
    const dim3 grid(static_cast<unsigned>(a.plan.slices), static_cast<unsigned>(a.plan.blocks));
    return launch_clusters(kernel<kFormat, kTiles>, grid, a.plan.warps() * 32, a.plan.shared_bytes,
                           stream, a);
}

template <WeightFormat kFormat>
Status launch(const Args& a, Stream stream) {
    switch (a.plan.tiles) {
        case 1:
            return launch<kFormat, 1>(a, stream);
        case 2:
            return launch<kFormat, 2>(a, stream);
        case 4:
            return launch<kFormat, 4>(a, stream);
        default:
            return launch<kFormat, 8>(a, stream);
    }
}

bool aligned(const void* p) {
    return p && reinterpret_cast<std::uintptr_t>(p) % 16 == 0;
}

Status check(const W4A16Call& c) {
    if (c.rows < 0 || c.out < 0) return refuse("w4a16: a negative shape");
    if (c.rows > 64) return refuse("w4a16: at most 64 rows");
    if (c.in <= 0 || c.in % 8 || c.in >= std::int64_t{1} << 24 || c.out >= std::int64_t{1} << 20)
        return refuse(
            "w4a16: the columns must be a multiple of 8, and the shape below 2^20 by 2^24");
    if (c.rows == 0 || c.out == 0) return {};
    if (!aligned(c.x) || !aligned(c.codes) || !aligned(c.scales) || !c.y)
        return refuse("w4a16: x, codes and scales must be aligned to 16 bytes, y not null");
    if (c.x_stride % 8 || c.x_stride < c.in || c.y_stride < c.out)
        return refuse("w4a16: a row stride is too small, or x's is no multiple of 8");
    return {};
}

}  // namespace

Status w4a16(const W4A16Call& c, Stream stream) {
    if (const Status status = check(c); !status.ok() || c.rows == 0 || c.out == 0) return status;
    return w4a16_by_plan(c, plan_w4a16(c.format, c.rows, c.out, c.in), stream);
}

Status w4a16_by_plan(const W4A16Call& c, const W4A16Plan& plan, Stream stream) {
    const Args args{static_cast<const std::uint8_t*>(c.codes),
                    static_cast<const std::uint8_t*>(c.scales),
                    static_cast<const std::uint16_t*>(c.x),
                    c.x_stride,
                    static_cast<std::uint16_t*>(c.y),
                    c.y_stride,
                    static_cast<int>(c.rows),
                    static_cast<int>(row_blocks(c.out)),
                    static_cast<int>(col_blocks(c.in)),
                    c.out,
                    c.in,
                    c.alpha,
                    plan};
    switch (c.format) {
        case WeightFormat::mxfp4:
            return launch<WeightFormat::mxfp4>(args, stream);
        case WeightFormat::nvfp4:
            return launch<WeightFormat::nvfp4>(args, stream);
        case WeightFormat::int4g32:
            return launch<WeightFormat::int4g32>(args, stream);
        default:
            return launch<WeightFormat::int4g128>(args, stream);
    }
}

}  // namespace hb::gpu
