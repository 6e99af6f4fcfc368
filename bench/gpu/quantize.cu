// SPDX-License-Identifier: Apache-2.0
// The fused quantizer: bytes over a copy's bandwidth is its floor.
#include "bench.hpp"
#include "gpu/quantize.hpp"

namespace hb::gpu {

namespace {

struct Kind {
    const char* name;
    Format format;
    Rule rule;
    int block;
};

constexpr Kind kKinds[] = {
    {"mxfp4 ceil7.25 none", Format::mxfp4, Rule::ceil725, 1},
    {"mxfp4 ceil7.25 had16", Format::mxfp4, Rule::ceil725, 16},
    {"mxfp4 ceil7.25 had32", Format::mxfp4, Rule::ceil725, 32},
    {"mxfp4 ceil7.25 had64", Format::mxfp4, Rule::ceil725, 64},
    {"mxfp4 ceil7.25 had128", Format::mxfp4, Rule::ceil725, 128},
    {"mxfp4 fp-quant had32", Format::mxfp4, Rule::fp_quant, 32},
    {"mxfp4 fp-quant had128", Format::mxfp4, Rule::fp_quant, 128},
    {"mxfp4 mse had64", Format::mxfp4, Rule::mse, 64},
    {"nvfp4 absmax had16", Format::nvfp4, Rule::absmax, 16},
    {"nvfp4 absmax had32", Format::nvfp4, Rule::absmax, 32},
    {"nvfp4 absmax had64", Format::nvfp4, Rule::absmax, 64},
    {"nvfp4 absmax had128", Format::nvfp4, Rule::absmax, 128},
    {"nvfp4 four-over-six had16", Format::nvfp4, Rule::four_over_six, 16},
    {"nvfp4 sweep4 had16", Format::nvfp4, Rule::sweep4, 16},
    {"nvfp4 sweep8 had16", Format::nvfp4, Rule::sweep8, 16},
};

struct Shape {
    std::int64_t rows, cols;
};

double time_of(Bench& bench, QuantizeCall call, int sets, const std::vector<void*>& x,
               const std::vector<void*>& other, const std::vector<void*>& out) {
    return bench.time(
        [&](int i, cudaStream_t s) {
            const auto at = static_cast<std::size_t>(i);
            const bool eight = call.format == Format::fp8 || call.format == Format::int8;
            call.x = x[at];
            if (call.front != Front::none) call.front_operand = other[at];
            call.codes = out[at];
            call.scales = static_cast<char*>(out[at]) + call.rows * call.cols / (eight ? 1 : 2);
            return quantize(call, s);
        },
        sets);
}

void bench_shape(Bench& bench, const Shape& shape) {
    const auto elements = static_cast<std::size_t>(shape.rows * shape.cols);
    const double in = 2.0 * static_cast<double>(elements);
    const int sets = Bench::sets(in * 1.3);
    std::vector<void*> x(static_cast<std::size_t>(sets)), other(x.size()), out(x.size());
    for (void*& p : x) p = bench.normal(elements);
    for (void*& p : other) p = bench.normal(elements);
    for (void*& p : out) p = bench.bytes(elements + 65536);
    const std::string text = std::to_string(shape.rows) + "x" + std::to_string(shape.cols);
    QuantizeCall call;
    call.rows = shape.rows;
    call.cols = call.x_stride = shape.cols;
    call.divisor = 300;
    for (const Kind& kind : kKinds) {
        call.format = kind.format;
        call.rule = kind.rule;
        call.rotation.block = kind.block;
        const double bytes =
            in * (1 + (kind.format == Format::mxfp4 ? 4 + 8. / 32 : 4 + 8. / 16) / 16);
        bench.add({kind.name, text, time_of(bench, call, sets, x, other, out), bytes, 0});
    }
    call.format = Format::mxfp4;
    call.rule = Rule::ceil725;
    call.rotation.block = 64;
    call.scale_layout = ScaleLayout::swizzled;
    bench.add({"mxfp4 ceil7.25 had64 swizzled", text, time_of(bench, call, sets, x, other, out),
               in * (1 + 4.25 / 16), 0});
    call.scale_layout = ScaleLayout::rows;
    call.rotation.matrix = other.front();
    for (const int block : {16, 64, 128}) {
        call.rotation.block = block;
        bench.add({"mxfp4 ceil7.25 matrix" + std::to_string(block), text,
                   time_of(bench, call, sets, x, other, out), in * (1 + 4.25 / 16), 0});
    }
    call.rotation = {64, nullptr};
    call.front = Front::rms_norm;
    call.epsilon = 1e-5f;
    bench.add({"rms-norm mxfp4 ceil7.25 had64", text, time_of(bench, call, sets, x, other, out),
               in * (1 + 4.25 / 16), 0});
    call.front = Front::silu_up;
    bench.add({"silu-up mxfp4 ceil7.25 had64", text, time_of(bench, call, sets, x, other, out),
               in * (2 + 4.25 / 16), 0});
    call.front = Front::none;
    call.rotation.block = 1;
    call.rule = Rule::absmax;
    for (const Format format : {Format::fp8, Format::int8}) {
        call.format = format;
        bench.add({format == Format::fp8 ? "fp8 per token" : "int8 per token", text,
                   time_of(bench, call, sets, x, other, out), in * 1.5, 0});
    }
    bench.release();
}

}  // namespace

void bench_quantize(Bench& bench) {
    for (const Shape& shape :
         {Shape{8192, 4096}, Shape{8192, 14336}, Shape{1, 4096}, Shape{16, 4096}, Shape{16, 14336}})
        bench_shape(bench, shape);
}

}  // namespace hb::gpu
