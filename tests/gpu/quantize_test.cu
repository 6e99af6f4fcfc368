// SPDX-License-Identifier: Apache-2.0
// The fused quantizer on the device against the CPU reference, bit for bit.
#include "gpu/quantize.hpp"

#include <cmath>

#include "device.hpp"
#include "reference.hpp"

namespace hb::gpu {

namespace {

struct Shape {
    std::int64_t rows, cols, stride;
};

constexpr Rule kMx[] = {Rule::fp_quant, Rule::ceil725, Rule::mse},
               kNv[] = {Rule::absmax, Rule::four_over_six, Rule::sweep4, Rule::sweep8};

// What the call makes, into NaN bytes, of x and other operands on the device.
Quantized quantize_on_device(QuantizeCall call, const Quantized& wanted,
                             const Buffer<std::uint16_t>& x) {
    const Buffer<std::uint8_t> codes(wanted.codes.size()), scales(wanted.scales.size());
    call.x = x.get();
    call.codes = codes.get();
    call.scales = scales.get();
    expect_ok(quantize(call, nullptr));
    return {codes.values(), scales.values()};
}

void compare(const QuantizeCall& call, std::uint32_t seed) {
    const auto packed = test_numbers(call.rows, call.cols, seed);
    std::vector<std::uint16_t> x(static_cast<std::size_t>(call.rows * call.x_stride), 0x7fc0);
    for (std::int64_t r = 0; r < call.rows; ++r)
        std::copy_n(packed.begin() + r * call.cols, call.cols, x.begin() + r * call.x_stride);
    const Quantized wanted = reference_quantize(widen(packed), call);
    const auto [got_codes, got_scales] = quantize_on_device(call, wanted, Buffer(x));
    std::int64_t wrong = 0, first = -1;
    for (std::size_t i = 0; i < got_codes.size(); ++i) {
        if (got_codes[i] == wanted.codes[i]) continue;
        if (first < 0) first = static_cast<std::int64_t>(i);
        ++wrong;
    }
    EXPECT_EQ(0, wrong) << rule_name(call.rule) << " " << call.rows << "x" << call.cols << " block "
                        << call.rotation.block << ", first in row " << first / (call.cols / 2);
    EXPECT_EQ(wanted.scales, got_scales)
        << rule_name(call.rule) << " block " << call.rotation.block;
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

// Eight bits: all that is left of a row is one scale.
void compare_rows(Format format, const Shape& shape, int block, std::uint32_t seed) {
    const auto x = test_numbers(shape.rows, shape.cols, seed);
    std::vector<float> wide = widen(x);
    const Family family = format == Format::fp8 ? Family::fp8 : Family::int8;
    const ScaleRule& rule = find_scale_rule("absmax", family);
    QuantizeCall call;
    call.rows = shape.rows;
    call.cols = call.x_stride = shape.cols;
    call.format = format;
    call.rule = Rule::absmax;
    call.rotation.block = block;
    const Buffer<std::uint16_t> device_x(x);
    const Buffer<std::uint8_t> codes(x.size());
    const Buffer<float> scales(static_cast<std::size_t>(shape.rows));
    call.x = device_x.get();
    call.codes = codes.get();
    call.scales = scales.get();
    expect_ok(quantize(call, nullptr));
    const auto got = codes.values();
    const auto got_scales = scales.values();
    for (std::int64_t r = 0; r < shape.rows; ++r) {
        float* row = wide.data() + r * shape.cols;
        for (std::int64_t c = 0; block > 1 && c < shape.cols; c += block)
            fast_hadamard(row + c, block);
        const float scale =
            rule.row_scale(largest_magnitude(View<const float>{row, 1, shape.cols}));
        EXPECT_EQ(scale, got_scales[static_cast<std::size_t>(r)]);
        int wrong = 0;
        for (std::int64_t c = 0; c < shape.cols; ++c)
            wrong += encode_element(family, row[c] / scale) !=
                     got[static_cast<std::size_t>(r * shape.cols + c)];
        EXPECT_EQ(0, wrong) << "row " << r << " of " << shape.rows << "x" << shape.cols;
    }
}

TEST(GpuQuantize, SmallRowsOfEightBitsEqualTheReference) {
    for (const Format format : {Format::fp8, Format::int8}) {
        compare_rows(format, {9, 128, 128}, 64, 1);
        compare_rows(format, {17, 80, 80}, 16, 2);
        compare_rows(format, {16, 4096, 4096}, 1, 3);
        compare_rows(format, {8, 14336, 14336}, 128, 4);
    }
}

// The fronts have no bit-exact reference (the order of RMSNorm's sum, the exponential): in fp64,
// codes may differ where a number lies within rounding of a tie, which a few in 10^5 do.
void compare_front(Front front, Format format, Rule rule, std::int64_t rows, std::int64_t cols) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    const bool norm = front == Front::rms_norm;
    std::vector<std::uint16_t> x(static_cast<std::size_t>(rows * cols)),
        other(norm ? static_cast<std::size_t>(cols) : x.size());
    for (auto& u : x) u = float_to_bf16(normal(random));
    for (auto& u : other) u = float_to_bf16(normal(random));
    std::vector<float> wanted_x(x.size());
    for (std::int64_t r = 0; r < rows; ++r) {
        double sum = 0;
        const auto at = [&](std::int64_t c) { return static_cast<std::size_t>(r * cols + c); };
        for (std::int64_t c = 0; c < cols; ++c) {
            const double value = bf16_to_float(x[at(c)]);
            sum += value * value;
        }
        const double scale = 1 / std::sqrt(sum / static_cast<double>(cols) + 1e-5);
        for (std::int64_t c = 0; c < cols; ++c) {
            const double value = bf16_to_float(x[at(c)]);
            const double with = bf16_to_float(other[norm ? static_cast<std::size_t>(c) : at(c)]);
            wanted_x[at(c)] = static_cast<float>(norm ? value * scale * with
                                                      : value / (1 + std::exp(-value)) * with);
        }
    }
    QuantizeCall call;
    call.rows = rows;
    call.cols = call.x_stride = cols;
    call.format = format;
    call.rule = rule;
    call.divisor = 100;
    call.rotation.block = 32;
    call.front = front;
    call.epsilon = 1e-5f;
    const Quantized wanted = reference_quantize(wanted_x, call);
    const Buffer<std::uint16_t> device_other(other);
    call.front_operand = device_other.get();
    const auto [got_codes, got_scales] = quantize_on_device(call, wanted, Buffer(x));
    std::size_t wrong = 0, wrong_scales = 0;
    for (std::size_t i = 0; i < got_codes.size(); ++i) wrong += got_codes[i] != wanted.codes[i];
    for (std::size_t i = 0; i < got_scales.size(); ++i)
        wrong_scales += got_scales[i] != wanted.scales[i];
    EXPECT_LE(wrong, 3 + got_codes.size() / 5000) << rule_name(rule) << " " << rows << "x" << cols;
    EXPECT_LE(wrong_scales, 2 + got_scales.size() / 5000);
}

TEST(GpuQuantize, SmallFronts) {
    for (const Front front : {Front::rms_norm, Front::silu_up}) {
        compare_front(front, Format::mxfp4, Rule::ceil725, 5, 192);
        compare_front(front, Format::nvfp4, Rule::four_over_six, 3, 4096);
        compare_front(front, Format::mxfp4, Rule::mse, 4, 18432);
        compare_front(front, Format::nvfp4, Rule::absmax, 16, 14336);
    }
}

// Any matrix, in fp64 on the host; at most 1e-4 of the codes may differ.
void compare_matrix(int block, Format format, Rule rule, std::int64_t rows, std::int64_t cols) {
    std::mt19937 random(static_cast<std::uint32_t>(block));
    std::normal_distribution<float> normal;
    std::vector<std::uint16_t> x(static_cast<std::size_t>(rows * cols)),
        matrix(static_cast<std::size_t>(block * block));
    for (auto& u : x) u = float_to_bf16(normal(random));
    for (auto& u : matrix) u = float_to_bf16(normal(random) / std::sqrt(static_cast<float>(block)));
    std::vector<float> rotated(x.size());
    for (std::int64_t i = 0; i < rows * cols; ++i) {
        const std::int64_t first = i / block * block, column = i % block;
        double sum = 0;
        for (int k = 0; k < block; ++k)
            sum += static_cast<double>(bf16_to_float(x[static_cast<std::size_t>(first + k)])) *
                   bf16_to_float(matrix[static_cast<std::size_t>(k * block + column)]);
        rotated[static_cast<std::size_t>(i)] = static_cast<float>(sum);
    }
    QuantizeCall call;
    call.rows = rows;
    call.cols = call.x_stride = cols;
    call.format = format;
    call.rule = rule;
    call.divisor = 100;
    const Quantized wanted = reference_quantize(rotated, call);
    const Buffer<std::uint16_t> device_matrix(matrix);
    call.rotation.block = block;
    call.rotation.matrix = device_matrix.get();
    const auto [got_codes, got_scales] = quantize_on_device(call, wanted, Buffer(x));
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < got_codes.size(); ++i)
        wrong += ((got_codes[i] ^ wanted.codes[i]) & 15) != 0,
            wrong += (got_codes[i] ^ wanted.codes[i]) > 15;
    EXPECT_LE(wrong, 2 + got_codes.size() * 2 / 10000) << rule_name(rule) << " block " << block;
}

TEST(GpuQuantize, SmallMatrices) {
    for (const int block : {16, 32, 64, 128}) {
        compare_matrix(block, Format::mxfp4, Rule::ceil725, 21, 384);
        compare_matrix(block, Format::nvfp4, Rule::four_over_six, 16, 4096);
    }
    compare_matrix(16, Format::nvfp4, Rule::absmax, 40, 80);
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
