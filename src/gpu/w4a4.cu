// SPDX-License-Identifier: Apache-2.0
// From a call to the W4A4 kernel: shapes, the plan, tensor maps by the driver's own encoder, found
// when the program runs.
#include <algorithm>

#include "gpu/w4a4_kernel.cuh"
#include "gpu/w4a4_plan.hpp"

namespace hb::gpu {

namespace {

constexpr int kClusters = 66;

using Encode = CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*, const cuuint64_t*,
                            const cuuint64_t*, const cuuint32_t*, const cuuint32_t*,
                            CUtensorMapInterleave, CUtensorMapSwizzle, CUtensorMapL2promotion,
                            CUtensorMapFloatOOBfill);

Encode encoder() {
    static const Encode encode = [] {
        void* function = nullptr;
        cudaDriverEntryPointQueryResult found;
        const cudaError_t error = cudaGetDriverEntryPointByVersion(
            "cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found);
        return error == cudaSuccess ? reinterpret_cast<Encode>(function) : nullptr;
    }();
    return encode;
}

// Boxes of 128 bytes by `box_rows`, swizzled.
bool encode_map(CUtensorMap& map, CUtensorMapDataType type, const void* data, std::int64_t rows,
                std::int64_t cols, std::int64_t stride_bytes, int box_cols, int box_rows) {
    const cuuint64_t sizes[] = {static_cast<cuuint64_t>(cols), static_cast<cuuint64_t>(rows)};
    const cuuint64_t strides[] = {static_cast<cuuint64_t>(stride_bytes)};
    const cuuint32_t box[] = {static_cast<cuuint32_t>(box_cols), static_cast<cuuint32_t>(box_rows)};
    const cuuint32_t steps[] = {1, 1};
    const Encode encode = encoder();
    return encode && encode(&map, type, 2, const_cast<void*>(data), sizes, strides, box, steps,
                            CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                            CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                            CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
}

template <class S>
Status launch(const W4A4Args& a, const W4A4Call& c, Stream stream) {
    CUtensorMap x_map, y_map;
    if (!encode_map(x_map, CU_TENSOR_MAP_DATA_TYPE_UINT8, c.x, c.rows + c.extra_rows, c.in,
                    c.x_stride, 128, S::kX / kW4A4Cluster) ||
        !encode_map(y_map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, c.y, c.rows, c.out, c.y_stride * 2, 64,
                    S::kStaged))
        return {Code::launch_failed, "w4a4: the driver refuses a tensor map"};
    if (cudaFuncSetAttribute(w4a4_kernel<S>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             S::kBytes) != cudaSuccess)
        return launched();
    const int tiles = (a.rows + S::kX - 1) / S::kX + (a.extra_rows + S::kX - 1) / S::kX;
    const std::int64_t items = std::int64_t{tiles} * a.pairs * a.slices;
    const auto clusters = static_cast<unsigned>(std::min<std::int64_t>(items, kClusters));
    return launch_kernel(w4a4_kernel<S>, dim3(clusters * kW4A4Cluster), kW4A4Threads, S::kBytes,
                         stream, a, x_map, y_map);
}

struct Entry {
    W4A4Variant variant;
    Status (*launch)(const W4A4Args&, const W4A4Call&, Stream);
};

// rows of x, of a product, products on their way, buffers of weights, columns, stages
constexpr Entry kVariants[] = {
    {{"256", 256, false, 6.1}, launch<W4A4Shape<256, 128, 1, 1, 128, 5>>},
    {{"128", 128, false, 7.3}, launch<W4A4Shape<128, 128, 1, 2, 128, 7>>},
    {{"strict 256", 256, true, 6.9}, launch<W4A4Shape<256, 64, 2, 1, 64, 5>>},
};
constexpr int kCount = sizeof kVariants / sizeof kVariants[0];

std::int64_t x_tiles(const W4A4Call& c, int variant) {
    const int x = kVariants[variant].variant.x_rows;
    return (c.rows + x - 1) / x + (c.extra_rows + x - 1) / x;
}

// Counters: one for blocks, one for each half of a tile.
std::int64_t counter_bytes(const W4A4Call& c, const W4A4Plan& plan) {
    const std::int64_t tiles =
        plan.slices > 1 ? x_tiles(c, plan.variant) * w4a4_tiles(c.out) * 2 : 0;
    return ((1 + tiles) * 4 + 255) / 256 * 256;
}

std::int64_t partial_bytes(const W4A4Call& c, const W4A4Plan& plan) {
    if (plan.slices == 1) return 0;
    return x_tiles(c, plan.variant) * w4a4_tiles(c.out) * plan.slices * kW4A4Tile *
           kVariants[plan.variant].variant.x_rows * 4;
}

// As measured: a unit takes `cycles` for each row of x, a tile's start and end 16 more, and slices,
// whose sums go through memory, 60.
double cycles(const W4A4Call& c, const W4A4Plan& plan) {
    const W4A4Variant v = kVariants[plan.variant].variant;
    const std::int64_t tiles = (c.rows + v.x_rows - 1) / v.x_rows * w4a4_tiles(c.out) / 2;
    const std::int64_t rounds = (tiles * plan.slices + kClusters - 1) / kClusters;
    const double ends = plan.slices > 1 ? 76 : 16;
    return static_cast<double>(rounds) * v.x_rows * (plan.slice * v.cycles + ends);
}

bool aligned(const void* p) {
    return p && reinterpret_cast<std::uintptr_t>(p) % 16 == 0;
}

}  // namespace

int w4a4_variants() {
    return kCount;
}
W4A4Variant w4a4_variant(int index) {
    return kVariants[index].variant;
}

W4A4Plan w4a4_sliced(const W4A4Call& c, int variant, int slices) {
    const auto depths = static_cast<int>(w4a4_depths(c.in));
    W4A4Plan plan;
    plan.variant = variant;
    plan.slice = (depths + 2 * slices - 1) / (2 * slices) * 2;
    plan.slices = (depths + plan.slice - 1) / plan.slice;
    return plan;
}

W4A4Plan w4a4_plan(const W4A4Call& c) {
    W4A4Plan best;
    double least = 0;
    for (int variant = 0; variant < kCount; ++variant) {
        if (kVariants[variant].variant.strict != c.strict) continue;
        for (int slices = 1; slices <= 8; ++slices) {
            const W4A4Plan plan = w4a4_sliced(c, variant, slices);
            const double time = cycles(c, plan);
            if (least > 0 && time >= least) continue;
            least = time;
            best = plan;
        }
    }
    return best;
}

std::int64_t w4a4_workspace(const W4A4Call& c, const W4A4Plan& plan) {
    return counter_bytes(c, plan) + partial_bytes(c, plan) + c.extra_rows * c.out * 4;
}

std::int64_t w4a4_workspace(std::int64_t rows, std::int64_t extra_rows, std::int64_t out,
                            std::int64_t in) {
    W4A4Call call;
    call.rows = rows;
    call.extra_rows = extra_rows;
    call.out = out;
    call.in = in;
    const std::int64_t usual = w4a4_workspace(call, w4a4_plan(call));
    call.strict = true;
    return std::max(usual, w4a4_workspace(call, w4a4_plan(call)));
}

Status w4a4(const W4A4Call& c, const W4A4Plan& plan, Stream stream) {
    constexpr std::int64_t kMost = std::int64_t{1} << 24;
    if (c.rows < 0 || c.extra_rows < 0 || c.out < 0 || c.in < 0)
        return refuse("w4a4: a negative shape");
    if (c.rows + c.extra_rows > kMost || c.out > kMost || c.in > kMost)
        return refuse("w4a4: more than 2^24 rows, outputs or columns");
    if (c.in % 32 || c.out % 8)
        return refuse("w4a4: columns are groups of 32, outputs a multiple of 8");
    if (c.rows == 0 || c.out == 0) return {};
    if (c.in == 0) return refuse("w4a4: no columns");
    if (!aligned(c.x) || !aligned(c.weights) || !aligned(c.y) || !c.x_factors || !c.weight_factors)
        return refuse("w4a4: x, weights and y must be aligned to 16 bytes, factors not null");
    if (c.x_stride % 16 || c.x_stride < c.in || c.y_stride % 8 || c.y_stride < c.out)
        return refuse("w4a4: a row's stride is too small or breaks its alignment");
    if (c.extra_rows > 0 && (!c.extra_of || !c.extra_count))
        return refuse("w4a4: extra rows need their list and count");
    if (!aligned(c.workspace) || c.workspace_bytes < w4a4_workspace(c, plan))
        return {Code::too_little_workspace, "w4a4: the workspace is smaller than w4a4_workspace()"};
    auto* workspace = static_cast<std::uint8_t*>(c.workspace);
    const std::int64_t counters = counter_bytes(c, plan), partial = partial_bytes(c, plan);
    const W4A4Args args{static_cast<const std::uint8_t*>(c.weights),
                        c.weight_factors,
                        c.x_factors,
                        c.extra_of,
                        c.extra_count,
                        static_cast<std::uint16_t*>(c.y),
                        c.y_stride,
                        static_cast<int>(c.rows),
                        static_cast<int>(c.extra_rows),
                        static_cast<int>(c.out),
                        static_cast<int>(w4a4_depths(c.in)),
                        plan.slices,
                        plan.slice,
                        static_cast<int>(w4a4_tiles(c.out) / 2),
                        plan.band,
                        reinterpret_cast<float*>(workspace + counters),
                        reinterpret_cast<float*>(workspace + counters + partial),
                        reinterpret_cast<unsigned*>(workspace)};
    return kVariants[plan.variant].launch(args, c, stream);
}

Status w4a4(const W4A4Call& c, Stream stream) {
    return w4a4(c, w4a4_plan(c), stream);
}

}  // namespace hb::gpu
