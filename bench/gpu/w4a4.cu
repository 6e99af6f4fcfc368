// SPDX-License-Identifier: Apache-2.0
// W4A4 beside cuBLAS bf16 and cuBLASLt FP8 on the linears of Llama-3.1-8B: the product alone, and
// with what makes its x from bf16 in front (Hadamard 64, ceil7.25). x is what that quantizer makes
// of normal numbers; weights have random codes under scales of a few neighbouring exponents.
// GPU_BENCH_ALL=1: every compiled shape and slicing as well.
#include <cstdlib>

#include "bench.hpp"
#include "gpu/quantize.hpp"
#include "gpu/w4a4_layout.hpp"
#include "gpu/w4a4_plan.hpp"

namespace hb::gpu {

namespace {

struct Layer {
    const char* name;
    std::int64_t out, in;
};

constexpr Layer kLayers[] = {
    {"qkv", 6144, 4096}, {"o", 4096, 4096}, {"gate_up", 28672, 4096}, {"down", 4096, 14336}};

constexpr std::int64_t kExtra = 256;

__global__ void fill_units(std::uint8_t* weights, std::int64_t units) {
    const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
    if (i >= units * 512) return;
    std::uint8_t& scale = weights[i / 512 * kW4A4UnitBytes + kW4A4CodeBytes + i % 512];
    scale = static_cast<std::uint8_t>(22 + scale % 5);
}

__global__ void fill_ones(float* p, std::int64_t n) {
    const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
    if (i < n) p[i] = 0x1p-16f;
}

unsigned blocks(std::int64_t n) {
    return static_cast<unsigned>((n + 255) / 256);
}

struct Case {
    Bench& bench;
    const Layer& layer;
    std::int64_t rows;
    QuantizeCall quantize_call;
    W4A4Call call;
    std::vector<void*> weights;
    std::string shape;
    std::vector<Peer> peers;

    Case(Bench& b, const Layer& l, std::int64_t m) : bench(b), layer(l), rows(m) {
        shape = std::string(l.name) + " M=" + std::to_string(m);
        peers = {{"cublas_bf16", cublas_bf16(b, m, l.out, l.in)}};
        b.release();
        peers.push_back({"cublaslt_fp8", cublaslt_fp8(b, m, l.out, l.in)});
        b.release();
        const auto count = static_cast<std::size_t>((m + kExtra) * l.in);
        QuantizeCall& q = quantize_call;
        q.rows = m;
        q.cols = q.x_stride = l.in;
        q.rotation.block = 64;
        q.output = Output::folded;
        q.extra_rows = kExtra;
        q.extra_of = static_cast<int*>(b.bytes(kExtra * 4));
        q.extra_count = static_cast<unsigned*>(b.bytes(4, 0));
        q.x = b.normal(static_cast<std::size_t>(m * l.in));
        q.codes = b.bytes(count, 0);
        q.scales = b.bytes(static_cast<std::size_t>(m + kExtra) * 4, 0);
        call.rows = m;
        call.out = l.out;
        call.in = l.in;
        call.x = q.codes;
        call.x_stride = l.in;
        call.x_factors = static_cast<const float*>(q.scales);
        call.extra_rows = kExtra;
        call.extra_of = q.extra_of;
        call.extra_count = q.extra_count;
        const std::int64_t bytes = w4a4_weight_bytes(l.out, l.in);
        weights.resize(static_cast<std::size_t>(Bench::sets(static_cast<double>(bytes))));
        for (void*& w : weights) {
            w = b.bytes(static_cast<std::size_t>(bytes));
            const std::int64_t units = bytes / kW4A4UnitBytes;
            fill_units<<<blocks(units * 512), 256, 0, b.stream()>>>(static_cast<std::uint8_t*>(w),
                                                                    units);
        }
        const std::int64_t factors = w4a4_factors(l.out);
        auto* side = static_cast<float*>(b.bytes(static_cast<std::size_t>(factors) * 4, 0));
        fill_ones<<<blocks(factors), 256, 0, b.stream()>>>(side, factors);
        call.weight_factors = side;
        call.y = b.normal(static_cast<std::size_t>(m * l.out));
        call.y_stride = l.out;
    }

    double flops() const {
        return 2.0 * static_cast<double>(rows) * static_cast<double>(layer.out * layer.in) / 2;
    }
    void add(const std::string& name, double time) {
        bench.add({name, shape, time, 0, flops(), peers});
    }

    template <class InFront>
    double time(const W4A4Plan& plan, const InFront& in_front) {
        call.workspace_bytes = w4a4_workspace(call, plan);
        call.workspace = bench.bytes(static_cast<std::size_t>(call.workspace_bytes), 0);
        return bench.time(
            [&](int i, cudaStream_t s) {
                call.weights = weights[static_cast<std::size_t>(i)];
                if (const Status status = in_front(s); !status.ok()) return status;
                return w4a4(call, plan, s);
            },
            static_cast<int>(weights.size()));
    }
    void plan(const std::string& name, const W4A4Plan& p) {
        add(name + " " + w4a4_variant(p.variant).name + " slices " + std::to_string(p.slices) +
                " band " + std::to_string(p.band),
            time(p, [](cudaStream_t) { return Status{}; }));
    }

    void run(bool all) {
        const auto quantize_it = [&](cudaStream_t s) { return quantize(quantize_call, s); };
        bench.add({"quantize folded had64", shape,
                   bench.time([&](int, cudaStream_t s) { return quantize_it(s); }, 2),
                   3.0 * static_cast<double>(rows * layer.in), 0});
        if (all) {
            for (int variant = 0; variant < w4a4_variants(); ++variant)
                for (int slices = 1; slices <= (rows <= 256 ? 4 : 1); ++slices)
                    plan("w4a4", w4a4_sliced(call, variant, slices));
        }
        const W4A4Plan best = w4a4_plan(call);
        plan("w4a4 planned:", best);
        add("w4a4 with quantize had64", time(best, quantize_it));
        void* up = bench.normal(static_cast<std::size_t>(rows * layer.in));
        quantize_call.front = Front::silu_up;
        quantize_call.front_operand = up;
        if (layer.in > 4096) add("w4a4 with silu-up quantize had64", time(best, quantize_it));
        bench.release();
    }
};

}  // namespace

void bench_w4a4(Bench& bench) {
    const bool all = std::getenv("GPU_BENCH_ALL") != nullptr;
    for (const Layer& layer : kLayers)
        for (const std::int64_t rows : {256, 2048, 8192}) Case(bench, layer, rows).run(all);
}

}  // namespace hb::gpu
