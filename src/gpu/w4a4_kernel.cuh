// SPDX-License-Identifier: Apache-2.0
// The W4A4 product. Weights take the 64-row side of a warpgroup's product, from registers; x the
// other, from shared memory, so a block's tile is 128 rows of W by kX rows of x:
//
//     warpgroup 0    one thread keeps a ring of kStages filled by the copy engine: x (kX, 128) and
//                    a unit of packed weights; the two blocks of a cluster work on neighbouring
//                    tiles of W and each loads half of x for both
//     warpgroups 1, 2    64 rows of W each. A unit of 128 columns is kX / kPiece products of 64 x
//                    kPiece, each summed from zero in the tensor core and then added to the fp32
//                    sums in registers; one warpgroup expands and adds while the other multiplies
//
// Registers of a consumer thread: kX / 2 sums, 64 of products on their way, 16 of weights for each
// buffer: 208 at kX = 256, of 232. Tiles of 64 x 256 summed in one piece would take 272.
//
// Blocks stay for the whole run. Small shapes cut K into slices, whose sums meet in the workspace
// in the order of K: the same bits in every run.
#pragma once

#include "gpu/hopper.cuh"
#include "gpu/w4a4_weights.cuh"

namespace hb::gpu {

struct W4A4Args {
    const std::uint8_t* weights;
    const float *weight_factors, *x_factors;
    const int* extra_of;
    const unsigned* extra_count;
    std::uint16_t* y;
    std::int64_t y_stride;
    int rows, extra_rows, out;
    int depths, slices, slice;  // units of K: all, how many ranges, units in one
    int pairs, band;            // of tiles of W; tiles of x that share a range of W in the cache
    float* partial;             // sums of slices
    float* extra;               // fp32 (extra_rows, out)
    unsigned* counters;         // of slices' tiles, then of blocks
};

template <int kXRows, int kPieceRows, int kSetsOfProducts, int kWeightBuffers, int kColumns,
          int kRing>
struct W4A4Shape {
    static constexpr int kX = kXRows, kPiece = kPieceRows, kInterval = kColumns, kStages = kRing;
    static constexpr int kSets = kSetsOfProducts, kBuffers = kWeightBuffers;
    static constexpr int kPieces = kX / kPiece;
    static constexpr int kSteps = kInterval / 32, kUnits = kPieces * (128 / kInterval);
    static constexpr int kXBytes = kX * 128, kStaged = 32;  // rows of x in a store
    static constexpr int kStagedBytes = kStaged * 128;
    static constexpr int kStore = kStages * kXBytes, kWeights = kStore + 4 * kStagedBytes;
    static constexpr int kFactors = kWeights + kStages * kW4A4UnitBytes;
    static constexpr int kBarriers = kFactors + 2 * kX * 4;
    static constexpr int kBytes = kBarriers + kStages * 16 + 16 + 1024;
    static_assert(kBytes <= 232448);
};

constexpr int kW4A4Threads = 384, kW4A4Cluster = 2;

struct W4A4Item {
    int x_tile, tile, slice;  // of x, of W
    int first, count;         // units of K
};

struct W4A4Schedule {
    int main_tiles, tiles, items;

    __device__ W4A4Schedule(const W4A4Args& a, int x_rows) {
        const int extra = a.extra_rows ? min(static_cast<int>(*a.extra_count), a.extra_rows) : 0;
        main_tiles = (a.rows + x_rows - 1) / x_rows;
        tiles = main_tiles + (extra + x_rows - 1) / x_rows;
        items = tiles * a.pairs * a.slices;
    }
    __device__ W4A4Item item(const W4A4Args& a, int number) const {
        const int slice = number % a.slices, n = number / a.slices;
        const int band = n / (a.band * a.pairs), in = n - band * a.band * a.pairs;
        const int wide = min(a.band, tiles - band * a.band);
        const int first = slice * a.slice;
        return {band * a.band + in % wide,
                in / wide * kW4A4Cluster + static_cast<int>(cluster_rank()), slice, first,
                min(a.slice, a.depths - first)};
    }
    __device__ int first_row(const W4A4Args& a, int x_tile, int x_rows) const {
        return x_tile < main_tiles ? x_tile * x_rows : a.rows + (x_tile - main_tiles) * x_rows;
    }
};

template <class S>
struct W4A4Ring {
    std::uint32_t base;
    int stage = 0;
    std::uint32_t phase = 0;

    __device__ std::uint32_t full() const { return base + S::kBarriers + stage * 16; }
    __device__ std::uint32_t empty() const { return full() + 8; }
    __device__ std::uint32_t x() const { return base + stage * S::kXBytes; }
    __device__ std::uint32_t weights() const { return base + S::kWeights + stage * kW4A4UnitBytes; }
    __device__ void next() {
        if (++stage == S::kStages) {
            stage = 0;
            phase ^= 1;
        }
    }
};

template <class S>
__device__ void produce(const W4A4Args& a, const CUtensorMap& x_map, W4A4Ring<S> ring) {
    const W4A4Schedule schedule(a, S::kX);
    const int rank = static_cast<int>(cluster_rank());
    constexpr int kHalf = S::kX / kW4A4Cluster;
    const int clusters = static_cast<int>(gridDim.x) / kW4A4Cluster;
    for (int n = static_cast<int>(blockIdx.x) / kW4A4Cluster; n < schedule.items; n += clusters) {
        const W4A4Item item = schedule.item(a, n);
        const int row = schedule.first_row(a, item.x_tile, S::kX) + rank * kHalf;
        const std::uint8_t* unit =
            a.weights + (std::int64_t{item.tile} * a.depths + item.first) * kW4A4UnitBytes;
        for (int k = 0; k < item.count; ++k, unit += kW4A4UnitBytes, ring.next()) {
            barrier_wait(ring.empty(), ring.phase ^ 1);
            barrier_expect(ring.full(), S::kXBytes + kW4A4UnitBytes);
            load_box(ring.x() + rank * kHalf * 128, x_map, (item.first + k) * kW4A4Depth, row,
                     ring.full(), (1 << kW4A4Cluster) - 1);
            load_bytes(ring.weights(), unit, kW4A4UnitBytes, ring.full());
        }
    }
}

template <class S>
struct W4A4Consumer {
    const W4A4Args& a;
    const CUtensorMap& y_map;
    unsigned char* shared;
    W4A4Ring<S> ring, behind;  // the next unit to expand, the next to give back
    int w, thread, warp, lane;
    unsigned codes_at, scales_at;  // this lane's in a unit
    float sums[S::kPieces][S::kPiece / 2];
    float products[S::kSets][S::kPiece / 2];
    std::uint32_t weights[S::kBuffers][16];

    __device__ void expand(std::uint32_t (&to)[16]) {
        barrier_wait(ring.full(), ring.phase);
        expand_weights(shared + (ring.weights() - ring.base), codes_at, scales_at, to);
        ring.next();
    }

    __device__ void give_back() {
        __syncwarp();
        if (lane < kW4A4Cluster) barrier_arrive_at(behind.empty(), static_cast<unsigned>(lane));
        behind.next();
    }

    // Piece u % kPieces over columns u / kPieces.
    template <int u, int kSet>
    __device__ void issue(const std::uint32_t (&from)[16], std::uint64_t x) {
        constexpr int kFirst = u / S::kPieces * S::kSteps;
        pin(products[kSet]);
        products_fence();
#pragma unroll
        for (int i = 0; i < S::kSteps; ++i)
            multiply(products[kSet], from + 4 * (kFirst + i),
                     x + ((u % S::kPieces * S::kPiece * 128 + (kFirst + i) * 32) >> 4), i > 0);
        products_commit();
    }

    template <int u, int kSet>
    __device__ void promote() {
        pin(products[kSet]);
#pragma unroll
        for (int i = 0; i < S::kPiece / 2; ++i) sums[u % S::kPieces][i] += products[kSet][i];
    }

    // kBuffers units of K. While a product runs, the one before is added; with two buffers weights
    // are expanded while products of the other run.
    template <int u>
    __device__ void step(std::uint64_t x, std::uint64_t x2, bool more) {
        constexpr int kAll = S::kBuffers * S::kUnits, kSets = S::kSets;
        constexpr int kBuffer = u / S::kUnits;
        issue<u % S::kUnits, u % kSets>(weights[kBuffer], kBuffer == 0 ? x : x2);
        constexpr int kDone = u + 2 - kSets;  // after the wait
        if (kSets == 1) expand_after<u>(more);
        if constexpr (kDone > 0) {
            products_wait<kSets - 1>();
            promote<(kDone - 1) % S::kUnits, (kDone - 1) % kSets>();
            if (kDone % S::kUnits == 0) give_back();
        }
        if (kSets > 1) expand_after<u>(more);
        if constexpr (kSets > 1 && u == kAll - 1) {
            products_wait<0>();
            promote<u % S::kUnits, u % kSets>();
            give_back();
        }
        if constexpr (u + 1 < kAll) step<u + 1>(x, x2, more);
    }

    template <int u>
    __device__ void expand_after(bool more) {
        if constexpr (S::kBuffers == 2) {
            if (u == 0) expand(weights[1]);
            if (u == S::kUnits && more) expand(weights[0]);
        }
    }

    __device__ void multiply_item(int count) {
#pragma unroll
        for (auto& piece : sums)
#pragma unroll
            for (float& sum : piece) sum = 0;
        std::uint64_t x = operand(ring.x());
        if (S::kBuffers == 2) expand(weights[0]);
        for (int k = 0; k < count; k += S::kBuffers) {
            if (S::kBuffers == 1) expand(weights[0]);
            const std::uint64_t x2 = operand(ring.x());
            step<0>(x, x2, k + S::kBuffers < count);
            x = operand(behind.x());
        }
    }

    // Four loads on their way at once.
    __device__ void add_four(const float4* from, int first) {
        float4 held[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) held[i] = load_fresh(from + i * 128);
#pragma unroll
        for (int i = 0; i < 16; ++i) {
            const float4 four = held[i / 4];
            const int at = first + i;
            sums[at / (S::kPiece / 2)][at % (S::kPiece / 2)] += i % 4 == 0   ? four.x
                                                                : i % 4 == 1 ? four.y
                                                                : i % 4 == 2 ? four.z
                                                                             : four.w;
        }
        asm volatile("" ::: "memory");
    }

    // All slices' sums in the last of the warpgroups that bring theirs; false in the others.
    __device__ bool add_slices(const W4A4Item& item) {
        constexpr int kEach = 64 * S::kX;
        const std::int64_t tile =
            (std::int64_t{item.x_tile} * a.pairs * kW4A4Cluster + item.tile) * 2 + w;
        auto* mine =
            reinterpret_cast<float4*>(a.partial + (tile * a.slices + item.slice) * kEach) + thread;
#pragma unroll
        for (int i = 0; i < S::kX / 8; ++i)
            mine[i * 128] =
                float4{sum_at(4 * i), sum_at(4 * i + 1), sum_at(4 * i + 2), sum_at(4 * i + 3)};
        device_fence();
        meet(1 + w, 128);
        auto* last = reinterpret_cast<int*>(shared + S::kBarriers + S::kStages * 16) + w;
        if (thread == 0) {
            unsigned* counter = a.counters + 1 + tile;
            *last = atomicAdd(counter, 1u) + 1 == static_cast<unsigned>(a.slices);
            if (*last) *counter = 0;
            device_fence();
        }
        meet(1 + w, 128);
        if (!*last) return false;
#pragma unroll
        for (auto& piece : sums)
#pragma unroll
            for (float& sum : piece) sum = 0;
        for (int s = 0; s < a.slices; ++s) {
            const auto* from =
                reinterpret_cast<const float4*>(a.partial + (tile * a.slices + s) * kEach) + thread;
#pragma unroll
            for (int i = 0; i < S::kX / 8; i += 4) add_four(from + i * 128, 4 * i);
        }
        return true;
    }

    __device__ float sum_at(int i) const {
        return sums[i / (S::kPiece / 2)][i % (S::kPiece / 2)];
    }

    // Rows of x go through shared memory, kStaged at a time, as 64 neighbouring outputs each.
    __device__ void store(const float* factors, float upper, float lower, int row, int column) {
        unsigned char* staged = shared + S::kStore + w * 2 * S::kStagedBytes;
        const int matrix = lane / 8, at = lane % 8;
#pragma unroll
        for (int part = 0; part < S::kX / S::kStaged; ++part) {
            const std::uint32_t to = shared_address(staged + part % 2 * S::kStagedBytes);
            if (thread == 0) stores_read<1>();
            meet(1 + w, 128);
#pragma unroll
            for (int j = 0; j < S::kStaged / 8; j += 2) {
                std::uint32_t pairs[4];
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    const int block = part * (S::kStaged / 8) + j + i / 2;
                    const float2 f =
                        *reinterpret_cast<const float2*>(factors + 8 * block + 2 * (lane % 4));
                    const float side = i % 2 ? lower : upper;
                    const float first = sum_at(4 * block + 2 * (i % 2)) * (f.x * side),
                                second = sum_at(4 * block + 2 * (i % 2) + 1) * (f.y * side);
                    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pairs[i]) : "f"(second), "f"(first));
                }
                const int x_row = 8 * (j + matrix / 2) + at, chunk = 2 * warp + matrix % 2;
                store_transposed(to + static_cast<unsigned>(x_row * 128 + (chunk ^ at) * 16),
                                 pairs[0], pairs[1], pairs[2], pairs[3]);
            }
            shared_to_engine();
            meet(1 + w, 128);
            if (thread == 0) store_box(to, y_map, column, row + part * S::kStaged);
        }
    }

    __device__ void store_extra(const float* factors, float upper, float lower, int slot,
                                int column) {
#pragma unroll
        for (int i = 0; i < S::kX / 2; ++i) {
            const int at = i / 4 * 8 + 2 * (lane % 4) + i % 2;
            const int out = column + 16 * warp + lane / 4 + i % 4 / 2 * 8;
            if (slot + at < a.extra_rows && out < a.out)
                a.extra[std::int64_t{slot + at} * a.out + out] =
                    sum_at(i) * (factors[at] * (i % 4 < 2 ? upper : lower));
        }
    }

    __device__ void run() {
        const W4A4Schedule schedule(a, S::kX);
        const int clusters = static_cast<int>(gridDim.x) / kW4A4Cluster;
        auto* factors = reinterpret_cast<float*>(shared + S::kFactors) + w * S::kX;
        for (int n = static_cast<int>(blockIdx.x) / kW4A4Cluster; n < schedule.items;
             n += clusters) {
            const W4A4Item item = schedule.item(a, n);
            const int row = schedule.first_row(a, item.x_tile, S::kX);
            for (int i = thread; i < S::kX; i += 128)
                factors[i] = row + i < a.rows + a.extra_rows ? a.x_factors[row + i] : 0;
            multiply_item(item.count);
            if (a.slices > 1 && !add_slices(item)) continue;
            meet(1 + w, 128);
            const int column = item.tile * kW4A4Tile + 64 * w;
            const float* side = a.weight_factors + column + 16 * warp + lane / 4;
            const float upper = side[0], lower = side[8];
            if (item.x_tile < schedule.main_tiles)
                store(factors, upper, lower, row, column);
            else
                store_extra(factors, upper, lower, row - a.rows, column);
            meet(1 + w, 128);
        }
        if (thread == 0) stores_done();
        if (schedule.tiles > schedule.main_tiles) add_extra();
    }

    // Rows that were split, by the last block, after all others are done.
    __device__ void add_extra() {
        device_fence();
        meet(3, 256);
        auto* last = reinterpret_cast<int*>(shared + S::kBarriers + S::kStages * 16);
        if (threadIdx.x == 128) *last = atomicAdd(a.counters, 1u) + 1 == gridDim.x;
        meet(3, 256);
        if (!*last) return;
        device_fence();
        if (threadIdx.x == 128) *a.counters = 0;
        const int count = min(static_cast<int>(*a.extra_count), a.extra_rows);
        for (int slot = 0; slot < count; ++slot) {
            const int row = a.extra_of[slot];
            if (row < 0 || (slot > 0 && a.extra_of[slot - 1] == row)) continue;
            for (int out = static_cast<int>(threadIdx.x) - 128; out < a.out; out += 256) {
                float sum = 0;
                for (int s = slot; s < count && a.extra_of[s] == row; ++s)
                    sum += __ldcg(a.extra + std::int64_t{s} * a.out + out);
                a.y[row * a.y_stride + out] = nearest_bf16(sum);
            }
        }
    }
};

template <class S>
__global__ void __cluster_dims__(kW4A4Cluster, 1, 1) __launch_bounds__(kW4A4Threads, 1)
    w4a4_kernel(const __grid_constant__ W4A4Args a, const __grid_constant__ CUtensorMap x_map,
                const __grid_constant__ CUtensorMap y_map) {
    unsigned char* start = dynamic_shared();
    const std::uint32_t at = shared_address(start), base = (at + 1023) & ~1023u;
    unsigned char* shared = start + (base - at);
    const int group = static_cast<int>(threadIdx.x) / 128;
    if (threadIdx.x == 0) {
        for (int i = 0; i < S::kStages; ++i) {
            barrier_init(base + S::kBarriers + i * 16, 1);
            barrier_init(base + S::kBarriers + i * 16 + 8, kW4A4Cluster * 8);
        }
        barriers_visible();
        fetch_map(x_map);
        fetch_map(y_map);
    }
    cluster_sync();
    if (group == 0) {
        give_registers<40>();
        if (threadIdx.x == 0) produce<S>(a, x_map, {base});
        __syncwarp();
    } else {
        take_registers<232>();
        const unsigned thread = threadIdx.x % 128, warp = thread / 32, lane = threadIdx.x % 32;
        const int w = group - 1;
        const LaneWeights at = lane_weights(static_cast<unsigned>(w), warp, lane);
        W4A4Consumer<S> consumer{a,
                                 y_map,
                                 shared,
                                 {base},
                                 {base},
                                 w,
                                 static_cast<int>(thread),
                                 static_cast<int>(warp),
                                 static_cast<int>(lane),
                                 at.codes,
                                 at.scales,
                                 {},
                                 {},
                                 {}};
        consumer.run();
    }
    cluster_sync();
}

}  // namespace hb::gpu
