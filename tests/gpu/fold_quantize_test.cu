// SPDX-License-Identifier: Apache-2.0
// Folded rows and their extra rows against the codes and scales of the CPU reference: every number
// is one byte times its row's factor, or its parts' sum is.
#include <cmath>

#include "accumulator.hpp"
#include "device.hpp"
#include "formats/all.hpp"
#include "gpu/quantize.hpp"
#include "reference.hpp"

namespace hb::gpu {

namespace {

struct Folded {
    std::vector<std::uint8_t> bytes;
    std::vector<float> factors;
    std::vector<int> extra_of;
    unsigned count = 0;
};

Folded fold(const std::vector<std::uint16_t>& x, QuantizeCall call) {
    const auto rows = static_cast<std::size_t>(call.rows + call.extra_rows);
    const Buffer<std::uint16_t> device_x(x);
    const Buffer<std::uint8_t> bytes(rows * static_cast<std::size_t>(call.cols));
    const Buffer<float> factors(rows);
    const Buffer<int> extra_of(static_cast<std::size_t>(call.extra_rows));
    const Buffer<unsigned> count(1);
    call.x = device_x.get();
    call.codes = bytes.get();
    call.scales = factors.get();
    call.output = Output::folded;
    call.extra_of = extra_of.get();
    call.extra_count = count.get();
    expect_ok(quantize(call, nullptr));
    return {bytes.values(), factors.values(), extra_of.values(), count.values()[0]};
}

double value(const Folded& f, std::size_t row, std::int64_t cols, std::int64_t c) {
    return e5m2(f.bytes[row * static_cast<std::size_t>(cols) + static_cast<std::size_t>(c)]) *
           f.factors[row];
}

QuantizeCall make_call(std::int64_t rows, std::int64_t cols, Rule rule, int block) {
    QuantizeCall call;
    call.rows = rows;
    call.cols = call.x_stride = cols;
    call.rule = rule;
    call.rotation.block = block;
    return call;
}

void compare(const QuantizeCall& wanted_call, std::uint32_t seed) {
    QuantizeCall call = wanted_call;
    call.extra_rows = 4 * call.rows;
    const auto x = test_numbers(call.rows, call.cols, seed);
    const Quantized wanted = reference_quantize(widen(x), call);
    const Folded got = fold(x, call);
    ASSERT_LE(got.count, static_cast<unsigned>(call.extra_rows));
    std::vector<double> sums(x.size());
    for (std::size_t r = 0; r < static_cast<std::size_t>(call.rows) + got.count; ++r) {
        const bool extra = r >= static_cast<std::size_t>(call.rows);
        const std::int64_t row =
            extra ? got.extra_of[r - static_cast<std::size_t>(call.rows)] : static_cast<int>(r);
        ASSERT_TRUE(row >= 0 && row < call.rows);
        for (std::int64_t c = 0; c < call.cols; ++c)
            sums[static_cast<std::size_t>(row * call.cols + c)] += value(got, r, call.cols, c);
    }
    const float divisor = call.rule == Rule::fp_quant ? 3 : 1;
    int wrong = 0;
    for (std::size_t i = 0; i < sums.size(); ++i) {
        const int code = wanted.codes[i / 2] >> i % 2 * 4 & 15;
        const double scale = std::ldexp(1., wanted.scales[i / 32] - 127);
        const double unit = divisor == 1 ? scale : scale * (1.f / 3);
        const double number = E2M1::decode(static_cast<std::uint8_t>(code)) * unit;
        // A third of a subnormal factor is rounded; powers of two are exact.
        wrong += std::fabs(sums[i] - number) > (divisor == 1 ? 0 : std::fabs(number) * 0x1p-8);
    }
    EXPECT_EQ(0, wrong) << rule_name(call.rule) << " " << call.rows << "x" << call.cols;
}

}  // namespace

TEST(GpuFold, SmallRowsHoldTheReferencesNumbers) {
    for (const Rule rule : {Rule::fp_quant, Rule::ceil725, Rule::mse}) {
        compare(make_call(17, 128, rule, 1), 1);
        compare(make_call(9, 1056, rule, 16), 2);
        compare(make_call(16, 4096, rule, 64), 3);
        compare(make_call(8, 14336, rule, 128), 4);
    }
}

// Behind a front: the numbers of the other output of the same call.
TEST(GpuFold, SmallFrontsAreThoseOfTheCodes) {
    for (const Front front : {Front::rms_norm, Front::silu_up}) {
        for (const std::int64_t cols : {128, 4096, 14336}) {
            QuantizeCall call = make_call(5, cols, Rule::ceil725, 64);
            call.front = front;
            call.epsilon = 1e-5f;
            const auto x = test_numbers(1, 5 * cols, 1), other = test_numbers(1, 5 * cols, 9);
            const Buffer<std::uint16_t> device_x(x), device_other(other);
            const Buffer<std::uint8_t> codes(x.size() / 2), scales(x.size() / 32);
            call.front_operand = device_other.get();
            const Folded got = fold(x, call);
            call.x = device_x.get();
            call.codes = codes.get();
            call.scales = scales.get();
            expect_ok(quantize(call, nullptr));
            const auto wanted = codes.values(), bytes = scales.values();
            int wrong = 0;
            for (std::size_t i = 0; i < x.size(); ++i) {
                const int code = wanted[i / 2] >> i % 2 * 4 & 15;
                const double number =
                    std::ldexp(E2M1::decode(static_cast<std::uint8_t>(code)), bytes[i / 32] - 127);
                const auto width = static_cast<std::size_t>(cols);
                wrong +=
                    value(got, i / width, cols, static_cast<std::int64_t>(i % width)) != number;
            }
            EXPECT_EQ(0, wrong) << static_cast<int>(front) << " " << cols;
        }
    }
}

// A row of exponents further apart than E5M2 reaches, first with too little room.
TEST(GpuFold, SmallRowsAreSplitOrNaN) {
    std::vector<std::uint16_t> x(3 * 256, float_to_bf16(1));
    for (std::size_t c = 0; c < 256; ++c)
        x[256 + c] = float_to_bf16(std::ldexp(3.f, -20 * static_cast<int>(c / 64)));
    QuantizeCall call = make_call(3, 256, Rule::ceil725, 1);
    call.extra_rows = 2;
    Folded got = fold(x, call);
    EXPECT_EQ(3u, got.count);
    EXPECT_TRUE(std::isnan(got.factors[1]));
    EXPECT_EQ(1, value(got, 0, 256, 5));
    EXPECT_EQ(-1, got.extra_of[0]);
    call.extra_rows = 3;
    got = fold(x, call);
    EXPECT_EQ(3u, got.count);
    for (std::size_t c = 0; c < 256; c += 32) {
        double sum = value(got, 1, 256, static_cast<std::int64_t>(c));
        EXPECT_EQ(0, sum);
        for (std::size_t s = 0; s < 3; ++s) {
            EXPECT_EQ(1, got.extra_of[s]);
            sum += value(got, 3 + s, 256, static_cast<std::int64_t>(c));
        }
        EXPECT_EQ(bf16_to_float(x[256 + c]), sum);
    }
}

}  // namespace hb::gpu
