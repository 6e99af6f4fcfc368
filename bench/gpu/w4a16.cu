// SPDX-License-Identifier: Apache-2.0
// W4A16 beside cuBLAS bf16 on the linears of Llama-3.1-8B. Codes are random bytes and so are the
// scales, under bits that keep them in range: the time does not depend on them.
#include "bench.hpp"
#include "gpu/w4a16.hpp"

namespace hb::gpu {

namespace {

struct Layer {
    const char* name;
    std::int64_t out, in;
};

constexpr Layer kLayers[] = {
    {"qkv", 6144, 4096}, {"o", 4096, 4096}, {"gate_up", 28672, 4096}, {"down", 4096, 14336}};

struct Kind {
    const char* name;
    WeightFormat format;
    int scale_mask;
    double bits;
};

constexpr Kind kKinds[] = {{"w4a16 mxfp4", WeightFormat::mxfp4, 0x7f, 4.25},
                           {"w4a16 nvfp4", WeightFormat::nvfp4, 0x7f, 4.5},
                           {"w4a16 int4g32", WeightFormat::int4g32, 0x3f, 4.5},
                           {"w4a16 int4g128", WeightFormat::int4g128, 0x3f, 4.125}};

void bench_case(Bench& bench, const Layer& layer, const Kind& kind, std::int64_t rows,
                double cublas) {
    const double bytes = static_cast<double>(layer.out * layer.in) * kind.bits / 8 +
                         2.0 * static_cast<double>(rows * (layer.in + layer.out));
    const int sets = Bench::sets(bytes);
    std::vector<void*> codes(static_cast<std::size_t>(sets)), scales(codes.size());
    for (void*& p : codes)
        p = bench.bytes(static_cast<std::size_t>(w4a16_code_bytes(layer.out, layer.in)));
    const auto scale_bytes =
        static_cast<std::size_t>(w4a16_scale_bytes(kind.format, layer.out, layer.in));
    for (void*& p : scales) p = bench.bytes(scale_bytes, kind.scale_mask);
    W4A16Call call;
    call.format = kind.format;
    call.rows = rows;
    call.out = layer.out;
    call.in = layer.in;
    call.x = bench.normal(static_cast<std::size_t>(rows * layer.in));
    call.x_stride = layer.in;
    call.y = bench.normal(static_cast<std::size_t>(rows * layer.out));
    call.y_stride = layer.out;
    const double time = bench.time(
        [&](int i, cudaStream_t s) {
            call.codes = codes[static_cast<std::size_t>(i)];
            call.scales = scales[static_cast<std::size_t>(i)];
            return w4a16(call, s);
        },
        sets);
    bench.add({kind.name,
               std::string(layer.name) + " M=" + std::to_string(rows),
               time,
               bytes,
               0,
               {{"cublas_bf16", cublas}}});
    bench.release();
}

}  // namespace

void bench_w4a16(Bench& bench) {
    for (const Layer& layer : kLayers) {
        for (const std::int64_t rows : {1, 16, 64}) {
            const double cublas = cublas_bf16(bench, rows, layer.out, layer.in);
            bench.release();
            for (const Kind& kind : kKinds) bench_case(bench, layer, kind, rows, cublas);
        }
    }
}

}  // namespace hb::gpu
