// SPDX-License-Identifier: Apache-2.0
// y = x W^T for up to 64 rows of x: reading the weights once is all the time there is.
//
// Floor: (4.25 (MX), 4.5 (NV), 4.5 or 4.125 (INT4)) / 8 bytes a weight at a copy's bandwidth.
//
// The grid has one block of 16 warps on every processor, which keeps its slice of x's columns in
// shared memory and walks over the row blocks of 16 weight rows. A team of warps splits the slice's
// units of 256 columns; where the slice has fewer units than there are warps, several teams take a
// row block each. A lane copies what it will multiply into a ring of its own, one to two units
// ahead, and waits for nobody. Sums of a team meet in shared memory after each row block, in the
// order of the warps. Where x does not fit, blocks take slices of it, and the last block to finish
// row blocks adds the slices in their order: results are the same in every run. E2M1 by its scale
// is exact in bf16, products are summed by the tensor cores in fp32; INT4 is multiplied as whole
// numbers and its scale follows each group's sum.
#include "gpu/w4a16_weights.cuh"

namespace hb::gpu {

namespace {

constexpr int kWarps = 16, kThreads = kWarps * 32;
constexpr int kSharedBytes = 227 * 1024;

struct Args {
    const std::uint8_t *codes, *scales;
    const std::uint16_t* x;
    std::int64_t x_stride;
    std::uint16_t* y;
    std::int64_t y_stride;
    int rows, row_blocks, col_blocks, slice;  // slice: units of a slice
    int team;                                 // warps of a row block, a power of two
    std::int64_t out, in;
    float alpha;
    float* partial;  // (slices, rows, row_blocks * 16)
    unsigned* done;  // slices, by first row block of the teams'
};

// Blocks of rows of x (8 each) that a kernel is made for, and how it uses shared memory.
constexpr int reduce_buffers(int tiles) {
    return tiles == 1 ? 2 : 1;
}
constexpr int reduce_bytes(int tiles) {
    return reduce_buffers(tiles) * kWarps * tiles * 512;
}
constexpr int ring(int tiles) {  // units
    return tiles == 1 ? 3 : 2;
}
constexpr int lane_bytes(WeightFormat format) {  // of a unit: codes, then scales
    return 64 + (format == WeightFormat::int4g32 ? 32 : 16);
}
constexpr int ring_bytes(int tiles) {
    return ring(tiles) * kThreads * lane_bytes(WeightFormat::int4g32);
}
constexpr int padded_row(int slice) {
    return slice * kUnitCols * 2 + 64;  // bytes; two lanes' rows start 64 bytes apart in the banks
}
constexpr int x_rows(int tiles, int rows) {
    return tiles == 1 ? rows + 1 : tiles * 8;  // one of zeros for all that are missing
}

template <WeightFormat kFormat>
struct Unit {
    static constexpr int kScaleWords = (lane_bytes(kFormat) - 64) / 4;
    uint4 codes[4];
    std::uint32_t scales[kScaleWords];
};

// Slot of the ring: pieces of 16 bytes, the lanes' next to one another.
template <WeightFormat kFormat>
__device__ void fetch_unit(const Args& a, std::int64_t unit, int lane, unsigned char* slot) {
    const std::uint8_t* codes = a.codes + unit * kUnitBytes + lane * 16;
#pragma unroll
    for (int q = 0; q < 4; ++q) copy_async<16>(slot + q * 512, codes + q * 512);
    const std::uint8_t* scales = a.scales + unit * unit_scale_bytes(kFormat);
    const int g = lane / 4;
    if constexpr (kFormat == WeightFormat::int4g128) {
        copy_async<8>(slot + 2048, scales + 8 * g);
    } else {
        const int at = kFormat == WeightFormat::mxfp4   ? 16 * g
                       : kFormat == WeightFormat::nvfp4 ? 32 * g + lane % 4 / 2 * 16
                                                        : 32 * g;
#pragma unroll
        for (int i = 0; i < lane_bytes(kFormat) / 16 - 4; ++i)
            copy_async<16>(slot + 2048 + 512 * i, scales + at + 16 * i);
    }
}

template <WeightFormat kFormat>
__device__ void read_unit(const unsigned char* slot, Unit<kFormat>& u) {
#pragma unroll
    for (int q = 0; q < 4; ++q) u.codes[q] = *reinterpret_cast<const uint4*>(slot + q * 512);
#pragma unroll
    for (int i = 0; i < lane_bytes(kFormat) / 16 - 4; ++i) {
        const uint4 s = *reinterpret_cast<const uint4*>(slot + 2048 + 512 * i);
        u.scales[4 * i] = s.x;
        u.scales[4 * i + 1] = s.y;
        u.scales[4 * i + 2] = s.z;
        u.scales[4 * i + 3] = s.w;
    }
}

__device__ float low_bf16(std::uint32_t word) {
    return __uint_as_float(word << 16);
}
__device__ float high_bf16(std::uint32_t word) {
    return __uint_as_float(word & 0xffff0000u);
}

__device__ std::uint32_t word_of(const uint4& v, int i) {
    return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w;
}

// c += W x over a unit. x(tile, column): this lane's eight numbers.
template <WeightFormat kFormat, int kTiles, class X>
__device__ void multiply_unit(const Unit<kFormat>& u, float (&c)[kTiles][4], X x) {
    constexpr bool kInteger = kFormat == WeightFormat::int4g32 || kFormat == WeightFormat::int4g128;
    constexpr int kGroup = kFormat == WeightFormat::int4g128 ? 4 : 1;  // of 32 columns
    float part[kTiles][4];
#pragma unroll
    for (int h = 0; h < 8; ++h) {
        uint4 b[kTiles];
#pragma unroll
        for (int tile = 0; tile < kTiles; ++tile) b[tile] = x(tile, h * 32);
        if (kInteger && h % kGroup == 0) {
#pragma unroll
            for (int tile = 0; tile < kTiles; ++tile)
                part[tile][0] = part[tile][1] = part[tile][2] = part[tile][3] = 0;
        }
        std::uint32_t low = 0, high = 0;
        if constexpr (!kInteger) {
            low = scale_pair<kFormat>(u.scales[h / 2], h % 2 * 2);
            high = scale_pair<kFormat>(u.scales[h / 2], h % 2 * 2 + 1);
        }
#pragma unroll
        for (int p = 0; p < 2; ++p) {
            const std::uint32_t w = word_of(u.codes[h / 2], h % 2 * 2 + p);
            std::uint32_t a[4];
            if constexpr (kInteger)
                expand_int4(w, a);
            else
                expand_e2m1(w, low, high, a);
#pragma unroll
            for (int tile = 0; tile < kTiles; ++tile)
                multiply_add(kInteger ? part[tile] : c[tile], a, word_of(b[tile], 2 * p),
                             word_of(b[tile], 2 * p + 1));
        }
        if (kInteger && h % kGroup == kGroup - 1) {
            const std::uint32_t s = u.scales[h / kGroup];
            const float first = low_bf16(s), second = high_bf16(s);
#pragma unroll
            for (int tile = 0; tile < kTiles; ++tile) {
                c[tile][0] = fmaf(first, part[tile][0], c[tile][0]);
                c[tile][1] = fmaf(first, part[tile][1], c[tile][1]);
                c[tile][2] = fmaf(second, part[tile][2], c[tile][2]);
                c[tile][3] = fmaf(second, part[tile][3], c[tile][3]);
            }
        }
    }
}

// The block's slice of x, rows padded with zeros.
__device__ void stage_x(const Args& a, unsigned char* shared, int rows, int first_col, int cols,
                        int row_bytes) {
    const int chunks = cols / 8;
    for (int i = static_cast<int>(threadIdx.x); i < rows * chunks; i += kThreads) {
        const int row = i / chunks, col = i % chunks * 8;
        uint4 v{};
        if (row < a.rows && first_col + col < a.in)
            v = *reinterpret_cast<const uint4*>(a.x + row * a.x_stride + first_col + col);
        *reinterpret_cast<uint4*>(shared + row * row_bytes + col * 2) = v;
    }
}

__device__ void put(const Args& a, int row, std::int64_t n, float sum) {
    if (row < a.rows && n < a.out) a.y[row * a.y_stride + n] = nearest_bf16(sum * a.alpha);
}

// What a warp does, one after the other: units of its row blocks.
struct Walk {
    int first, step, team, member, units, row_blocks;  // first, step: row blocks
    int block, unit;

    __device__ bool busy() const { return block < row_blocks && member < units; }
    __device__ void advance() {
        unit += team;
        if (unit < units) return;
        unit = member;
        block += step;
    }
};

// Sums of the row blocks from `first` on, a team's each; number i of one is of lane i / 4 % 32:
// weight row lane / 4 (+ 8), row 2 (lane % 4) (+ 1) of x.
template <int kTiles>
__device__ void add_teams(const Args& a, const float* buffer, int first, int turn) {
    constexpr int kSums = kTiles * 128;
    const int teams = kWarps / a.team;
    for (int j = (static_cast<int>(threadIdx.x) + turn * 128) % kThreads; j < kSums * teams;
         j += kThreads) {
        const int t = j / kSums, i = j % kSums;
        float sum = 0;
        for (int w = t * a.team; w < (t + 1) * a.team; ++w) sum += buffer[w * kSums + i];
        const int from = i / 4 % 32, row = i / 128 * 8 + from % 4 * 2 + i % 2;
        const std::int64_t n = std::int64_t{first + t} * kUnitRows + from / 4 + i % 4 / 2 * 8;
        if (gridDim.y == 1)
            put(a, row, n, sum);
        else if (row < a.rows && first + t < a.row_blocks)
            a.partial[(std::int64_t{blockIdx.y} * a.rows + row) * a.row_blocks * kUnitRows + n] =
                sum;
    }
}

// The last of the slices to get here adds them all.
__device__ void add_slices(const Args& a, int first) {
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        last = atomicAdd(a.done + first, 1u) == gridDim.y - 1;
        if (last) a.done[first] = 0;
    }
    __syncthreads();
    if (!last) return;
    __threadfence();
    const int width = kWarps / a.team * kUnitRows;
    for (int i = static_cast<int>(threadIdx.x); i < a.rows * width; i += kThreads) {
        const int row = i / width;
        const std::int64_t n = std::int64_t{first} * kUnitRows + i % width;
        if (n >= a.out) continue;
        float sum = 0;
        for (unsigned s = 0; s < gridDim.y; ++s)
            sum +=
                __ldcg(a.partial + (std::int64_t{s} * a.rows + row) * a.row_blocks * kUnitRows + n);
        put(a, row, n, sum);
    }
}

template <WeightFormat kFormat, int kTiles>
__global__ void __launch_bounds__(kThreads, 1) kernel(const __grid_constant__ Args a) {
    constexpr int kBuffers = reduce_buffers(kTiles), kSums = kTiles * 128, kRing = ring(kTiles);
    constexpr int kSlot = 32 * lane_bytes(kFormat);
    unsigned char* const shared = dynamic_shared();
    float* const sums = reinterpret_cast<float*>(shared);
    const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
    unsigned char* const slots = shared + reduce_bytes(kTiles) + warp * kRing * kSlot + lane * 16;
    unsigned char* const x = shared + reduce_bytes(kTiles) + ring_bytes(kTiles);
    const int first_unit = static_cast<int>(blockIdx.y) * a.slice;
    const int units = min(a.slice, a.col_blocks - first_unit), row_bytes = padded_row(a.slice);
    const int teams = kWarps / a.team, step = static_cast<int>(gridDim.x) * teams;
    const int start = static_cast<int>(blockIdx.x) * teams;
    Walk here{start, step, a.team, warp % a.team, units, a.row_blocks, start + warp / a.team, 0};
    here.unit = here.member;
    Walk ahead = here;
    int slot_ahead = 0, slot = 0;
    const auto fetch = [&] {  // an empty batch when there is nothing left, to keep count
        if (ahead.busy()) {
            fetch_unit<kFormat>(a,
                                std::int64_t{ahead.block} * a.col_blocks + first_unit + ahead.unit,
                                lane, slots + slot_ahead * kSlot);
            ahead.advance();
        }
        commit();
        slot_ahead = slot_ahead + 1 == kRing ? 0 : slot_ahead + 1;
    };
    for (int i = 0; i < kRing - 1; ++i) fetch();

    stage_x(a, x, x_rows(kTiles, a.rows), first_unit * kUnitCols, units * kUnitCols, row_bytes);
    const int g = lane / 4;
    const unsigned char* mine = x + (kTiles == 1 ? min(g, a.rows) : g) * row_bytes + lane % 4 * 16;
    __syncthreads();

    int turn = 0;
    for (int block = start; block < a.row_blocks; block += step, ++turn) {
        float c[kTiles][4] = {};
        while (here.busy() && here.block < block + teams) {
            wait<kRing - 2>();
            Unit<kFormat> now;
            read_unit<kFormat>(slots + slot * kSlot, now);
            slot = slot + 1 == kRing ? 0 : slot + 1;
            fetch();  // into the slot that was read before this one
            const unsigned char* columns = mine + here.unit * kUnitCols * 2;
            here.advance();
            multiply_unit<kFormat, kTiles>(now, c, [&](int tile, int column) {
                return *reinterpret_cast<const uint4*>(columns + tile * 8 * row_bytes + column * 2);
            });
        }
        float* const buffer = sums + turn % kBuffers * kWarps * kSums;
        if (kBuffers == 1) __syncthreads();
#pragma unroll
        for (int tile = 0; tile < kTiles; ++tile) {
            *reinterpret_cast<float4*>(buffer + warp * kSums + tile * 128 + lane * 4) =
                float4{c[tile][0], c[tile][1], c[tile][2], c[tile][3]};
        }
        __syncthreads();
        add_teams<kTiles>(a, buffer, block, turn);
        if (gridDim.y > 1) add_slices(a, block);
    }
}

// How many slices x is cut into, and how many blocks walk over the rows of each.
struct Plan {
    int tiles, slices, slice, walkers, team;
};

Plan plan_of(std::int64_t rows, std::int64_t out, std::int64_t in) {
    constexpr int kProcessors = 132;
    const int tiles = rows <= 8 ? 1 : rows <= 16 ? 2 : rows <= 32 ? 4 : 8;
    const auto units = static_cast<int>(col_blocks(in));
    Plan plan{tiles, 1, units, 0, kWarps};
    const auto fits = [&](int slice) {
        return reduce_bytes(tiles) + ring_bytes(tiles) +
                   x_rows(tiles, static_cast<int>(rows)) * padded_row(slice) <=
               kSharedBytes - 1024;
    };
    while (!fits(plan.slice)) {
        ++plan.slices;
        plan.slice = (units + plan.slices - 1) / plan.slices;
    }
    plan.slices = (units + plan.slice - 1) / plan.slice;
    const int most = kProcessors / plan.slices < 1 ? 1 : kProcessors / plan.slices;
    while (plan.team > 1 && plan.team > plan.slice) plan.team /= 2;
    const int teams = kWarps / plan.team;
    const auto blocks = static_cast<int>((row_blocks(out) + teams - 1) / teams);
    const int turns = (blocks + most - 1) / most;
    plan.walkers = (blocks + turns - 1) / turns;
    return plan;
}

template <WeightFormat kFormat, int kTiles>
Status launch(const Args& a, const Plan& plan, Stream stream) {
    const int bytes =
        reduce_bytes(kTiles) + ring_bytes(kTiles) + x_rows(kTiles, a.rows) * padded_row(plan.slice);
    if (cudaFuncSetAttribute(kernel<kFormat, kTiles>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             kSharedBytes - 1024) != cudaSuccess)
        return launched();
    const dim3 grid(static_cast<unsigned>(plan.walkers), static_cast<unsigned>(plan.slices));
    return launch_kernel(kernel<kFormat, kTiles>, grid, kThreads, bytes, stream, a);
}

template <WeightFormat kFormat>
Status launch(const Args& a, const Plan& plan, Stream stream) {
    switch (plan.tiles) {
        case 1:
            return launch<kFormat, 1>(a, plan, stream);
        case 2:
            return launch<kFormat, 2>(a, plan, stream);
        case 4:
            return launch<kFormat, 4>(a, plan, stream);
        default:
            return launch<kFormat, 8>(a, plan, stream);
    }
}

bool aligned(const void* p) {
    return p && reinterpret_cast<std::uintptr_t>(p) % 16 == 0;
}

}  // namespace

std::int64_t w4a16_workspace(std::int64_t rows, std::int64_t out, std::int64_t in) {
    if (rows <= 0 || rows > 64 || out <= 0 || in <= 0) return 0;
    const Plan plan = plan_of(rows, out, in);
    if (plan.slices == 1) return 0;
    const std::int64_t blocks = row_blocks(out);
    return (blocks * 4 + 255) / 256 * 256 + plan.slices * rows * blocks * kUnitRows * 4;
}

Status w4a16(const W4A16Call& c, Stream stream) {
    if (c.rows < 0 || c.out < 0 || c.in < 0) return refuse("w4a16: a negative shape");
    if (c.rows > 64) return refuse("w4a16: at most 64 rows");
    if (c.in % 8 || c.in > std::int64_t{1} << 24 || c.out > std::int64_t{1} << 30)
        return refuse(
            "w4a16: the columns must be a multiple of 8, and the shape below 2^30 by 2^24");
    if (c.rows == 0 || c.out == 0) return {};
    if (!aligned(c.x) || !aligned(c.codes) || !aligned(c.scales) || !c.y)
        return refuse("w4a16: x, codes and scales must be aligned to 16 bytes, y not null");
    if (c.x_stride % 8 || c.x_stride < c.in || c.y_stride < c.out)
        return refuse("w4a16: a row stride is too small, or x's is no multiple of 8");
    const Plan plan = plan_of(c.rows, c.out, c.in);
    if (c.workspace_bytes < w4a16_workspace(c.rows, c.out, c.in) ||
        (plan.slices > 1 && !aligned(c.workspace)))
        return {Code::too_little_workspace,
                "w4a16: the workspace is smaller than w4a16_workspace()"};
    auto* workspace = static_cast<std::uint8_t*>(c.workspace);
    const std::int64_t counters = (row_blocks(c.out) * 4 + 255) / 256 * 256;
    const Args args{static_cast<const std::uint8_t*>(c.codes),
                    static_cast<const std::uint8_t*>(c.scales),
                    static_cast<const std::uint16_t*>(c.x),
                    c.x_stride,
                    static_cast<std::uint16_t*>(c.y),
                    c.y_stride,
                    static_cast<int>(c.rows),
                    static_cast<int>(row_blocks(c.out)),
                    static_cast<int>(col_blocks(c.in)),
                    plan.slice,
                    plan.team,
                    c.out,
                    c.in,
                    c.alpha,
                    reinterpret_cast<float*>(workspace + (workspace ? counters : 0)),
                    reinterpret_cast<unsigned*>(workspace)};
    switch (c.format) {
        case WeightFormat::mxfp4:
            return launch<WeightFormat::mxfp4>(args, plan, stream);
        case WeightFormat::nvfp4:
            return launch<WeightFormat::nvfp4>(args, plan, stream);
        case WeightFormat::int4g32:
            return launch<WeightFormat::int4g32>(args, plan, stream);
        default:
            return launch<WeightFormat::int4g128>(args, plan, stream);
    }
}

}  // namespace hb::gpu
