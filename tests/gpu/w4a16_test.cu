// SPDX-License-Identifier: Apache-2.0
// y = x W^T against fp64. The products are exact; fp32 sums of K terms (and for INT4 of scaled
// groups) are allowed 2^-19 of the sum of magnitudes, the result's rounding to bf16 2^-8 of itself.
#include "gpu/w4a16.hpp"

#include <cmath>

#include "device.hpp"
#include "gpu/w4a16_plan.hpp"
#include "weights.hpp"

namespace hb::gpu {

namespace {

void compare(WeightFormat format, std::int64_t rows, std::int64_t out, std::int64_t in,
             const W4A16Plan* plan = nullptr) {
    const TestWeights w(format, out, in, static_cast<std::uint32_t>(rows + out));
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(w4a16_code_bytes(out, in))),
        scales(static_cast<std::size_t>(w4a16_scale_bytes(format, out, in)));
    W4A16Call call;
    expect_ok(repack_w4a16(w.view(), codes.data(), scales.data(), &call.alpha));
    const std::int64_t x_stride = (in + 7) / 8 * 8 + 8, y_stride = out + 3;
    std::mt19937 random(9);
    std::normal_distribution<float> normal;
    std::vector<std::uint16_t> x(static_cast<std::size_t>(rows * x_stride), 0x7fc0);
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < in; ++c)
            x[static_cast<std::size_t>(r * x_stride + c)] = float_to_bf16(normal(random));
    const Buffer<std::uint8_t> device_codes(codes), device_scales(scales);
    const Buffer<std::uint16_t> device_x(x), y(static_cast<std::size_t>(rows * y_stride));
    call.format = format;
    call.rows = rows;
    call.out = out;
    call.in = in;
    call.x = device_x.get();
    call.x_stride = x_stride;
    call.codes = device_codes.get();
    call.scales = device_scales.get();
    call.y = y.get();
    call.y_stride = y_stride;
    const W4A16Plan cut = plan ? *plan : plan_w4a16(format, rows, out, in);
    expect_ok(plan ? w4a16_by_plan(call, cut, nullptr) : w4a16(call, nullptr));
    const auto first = y.values();
    expect_ok(w4a16_by_plan(call, cut, nullptr));
    const auto got = y.values();
    EXPECT_EQ(first, got) << "two runs differ";
    int wrong = 0;
    std::vector<float> row(static_cast<std::size_t>(in));
    for (std::int64_t n = 0; n < out; ++n) {
        for (std::int64_t c = 0; c < in; ++c)
            row[static_cast<std::size_t>(c)] = w.element(n, c) * w.scale(n, c);
        for (std::int64_t r = 0; r < rows; ++r) {
            double sum = 0, magnitude = 0;
            for (std::int64_t c = 0; c < in; ++c) {
                const double term = static_cast<double>(row[static_cast<std::size_t>(c)]) *
                                    bf16_to_float(x[static_cast<std::size_t>(r * x_stride + c)]);
                sum += term;
                magnitude += std::fabs(term);
            }
            sum /= w.divisor;
            magnitude /= w.divisor;
            const double value = bf16_to_float(got[static_cast<std::size_t>(r * y_stride + n)]);
            const double bound = 0x1p-19 * magnitude + 0x1p-8 * std::fabs(sum);
            if (std::fabs(value - sum) <= bound) continue;
            if (++wrong <= 3)
                ADD_FAILURE() << static_cast<int>(format) << " " << rows << "x" << out << "x" << in
                              << " at " << r << ", " << n << ": " << value << ", wanted " << sum;
        }
    }
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t n = out; n < y_stride; ++n)
            EXPECT_EQ(0xffff, got[static_cast<std::size_t>(r * y_stride + n)])
                << "a gap was written to";
}

}  // namespace

TEST(GpuW4A16, SmallEqualsTheReference) {
    for (const WeightFormat format : kWeightFormats) {
        compare(format, 1, 40, 384);
        compare(format, 13, 33, 256);
        compare(format, 64, 16, 128);
    }
}

TEST(GpuW4A16, SmallSlicesAndTeams) {
    compare(WeightFormat::mxfp4, 64, 40, 2304);
    compare(WeightFormat::nvfp4, 8, 50, 6400);
    compare(WeightFormat::int4g128, 20, 40, 4352);
    compare(WeightFormat::int4g32, 1, 2200, 256);
}

// Whatever the plan's prices are: ragged slices, warps without work, x whole or by steps.
TEST(GpuW4A16, SmallEveryCut) {
    constexpr int kCuts[][3] = {{2, 2, 3}, {1, 1, 2}, {4, 4, 1}, {8, 1, 5}};
    for (const WeightFormat format : {WeightFormat::mxfp4, WeightFormat::int4g32}) {
        for (const std::int64_t rows : {5, 20}) {
            for (const auto& [slices, parts, bundles] : kCuts) {
                W4A16Plan plan;
                plan.tiles = tiles_of(rows);
                plan.each = each_of(format, plan.tiles);
                plan.slices = slices;
                plan.parts = parts;
                plan.bundles = bundles;
                for (const bool whole : {true, false}) {
                    ASSERT_TRUE(complete(plan, format, rows, 90, 2784));
                    if (!whole) {
                        plan.whole_x = false;
                        plan.shared_bytes = 220 * 1024;
                    }
                    compare(format, rows, 90, 2784, &plan);
                }
            }
        }
    }
}

TEST(GpuW4A16, EqualsTheReferenceInManyShapes) {
    for (const WeightFormat format : kWeightFormats) {
        compare(format, 3, 2200, 4096);
        compare(format, 8, 100, 14336);
        compare(format, 16, 300, 14336);
        compare(format, 16, 2300, 1152);
        compare(format, 31, 100, 4096);
        compare(format, 64, 200, 4096);
    }
}

TEST(GpuW4A16, Refuses) {
    W4A16Call call;
    call.rows = 65;
    EXPECT_EQ(Code::bad_argument, w4a16(call, nullptr).code);
    call.rows = 1;
    call.out = 16;
    call.in = 256;
    EXPECT_EQ(Code::bad_argument, w4a16(call, nullptr).code);  // no pointers
}

}  // namespace hb::gpu
