// SPDX-License-Identifier: Apache-2.0
// The fused quantizer on the device against the CPU reference, bit for bit.
#include "gpu/quantize.hpp"

#include "device.hpp"
#include "reference.hpp"

namespace hb::gpu {

namespace {

struct Shape {
    std::int64_t rows, cols, stride;
};

constexpr Rule kMx[] = {Rule::fp_quant, Rule::ceil725, Rule::mse},
               kNv[] = {Rule::absmax, Rule::four_over_six, Rule::sweep4, Rule::sweep8};

void compare(const QuantizeCall& wanted_call, std::uint32_t seed) {
    QuantizeCall call = wanted_call;
    const auto packed = test_numbers(call.rows, call.cols, seed);
    std::vector<std::uint16_t> x(static_cast<std::size_t>(call.rows * call.x_stride), 0x7fc0);
    for (std::int64_t r = 0; r < call.rows; ++r)
        std::copy_n(packed.begin() + r * call.cols, call.cols, x.begin() + r * call.x_stride);
    const Quantized wanted = reference_quantize(widen(packed), call);
    const Buffer<std::uint16_t> device_x(x);
    const Buffer<std::uint8_t> codes(wanted.codes.size()), scales(wanted.scales.size());
    call.x = device_x.get();
    call.codes = codes.get();
    call.scales = scales.get();
    expect_ok(quantize(call, nullptr));
    const auto got_codes = codes.values(), got_scales = scales.values();
    std::int64_t wrong = 0, first = -1;
    for (std::size_t i = 0; i < got_codes.size(); ++i) {
        if (got_codes[i] == wanted.codes[i]) continue;
        if (first < 0) first = static_cast<std::int64_t>(i);
        ++wrong;
    }
    EXPECT_EQ(0, wrong) << rule_name(call.rule) << " " << call.rows << "x" << call.cols << " block "
                        << call.rotation.block << ", first in row " << first / (call.cols / 2);
    EXPECT_EQ(wanted.scales, got_scales) << rule_name(call.rule) << " block " << call.rotation.block;
}

void compare_all(const Shape& shape, std::uint32_t seed) {
    for (const int block : {1, 16, 32, 64, 128}) {
        if (shape.cols % block) continue;
        QuantizeCall call;
        call.rows = shape.rows;
        call.cols = shape.cols;
        call.x_stride = shape.stride;
        call.rotation.block = block;
        for (const auto layout : {ScaleLayout::rows, ScaleLayout::swizzled}) {
            call.scale_layout = layout;
            call.format = Format::mxfp4;
            for (const Rule rule : kMx) {
                call.rule = rule;
                if (shape.cols % 32 == 0) compare(call, ++seed);
            }
            call.format = Format::nvfp4;
            for (const Rule rule : kNv) {
                call.rule = rule;
                call.divisor = seed % 2 ? 371.7f : .0625f;
                compare(call, ++seed);
            }
        }
    }
}

}  // namespace

TEST(GpuQuantize, SmallEqualsTheReference) {
    compare_all({9, 128, 128}, 1);
    compare_all({3, 80, 96}, 2);
}

TEST(GpuQuantize, EqualsTheReferenceInManyShapes) {
    compare_all({1, 4096, 4096}, 3);
    compare_all({130, 384, 392}, 4);
    compare_all({257, 2048, 2048}, 5);
    compare_all({33, 1040, 1040}, 6);
    compare_all({16, 14336, 14336}, 7);
}

TEST(GpuQuantize, Refuses) {
    QuantizeCall call;
    call.rows = 4;
    call.cols = call.x_stride = 48;
    EXPECT_EQ(Code::bad_argument, quantize(call, nullptr).code);  // not whole groups
    call.cols = call.x_stride = 64;
    EXPECT_EQ(Code::bad_argument, quantize(call, nullptr).code);  // no pointers
    call.rule = Rule::sweep4;
    call.rows = 0;
    EXPECT_EQ(Code::bad_argument, quantize(call, nullptr).code);  // not a rule of MX
    call.rule = Rule::mse;
    expect_ok(quantize(call, nullptr));
}

}  // namespace hb::gpu
