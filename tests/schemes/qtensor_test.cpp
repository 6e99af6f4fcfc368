// SPDX-License-Identifier: Apache-2.0
#include "schemes/qtensor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "schemes/sample.hpp"

namespace hb {

class EveryScheme : public testing::TestWithParam<Scheme> {
protected:
    const Scheme& scheme = GetParam();
    const ScaleRule& rule = find_scale_rule(scheme.weight_rule, scheme.family);
};

INSTANTIATE_TEST_SUITE_P(All, EveryScheme,
                         testing::ValuesIn(all_schemes().begin(), all_schemes().end()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(EveryScheme, DecodesToElementTimesStep) {
    const auto w = normal_sample(4, 256, 1);
    const auto q = round_to_nearest(w, scheme, rule);
    const auto back = dequantize(q);
    const auto narrow = dequantize_bf16(q);
    for (int r = 0; r < 4; ++r) {
        for (int c = 0; c < 256; ++c) {
            const auto g = c / scheme.group_of(256);
            const auto bits = q.scales.bits(r, g);
            const float unit = step(scheme.family, bits, q.scales.divisor), zero = q.zero(r, g);
            const float target = w(r, c) / unit;
            EXPECT_EQ(q.code(r, c),
                      encode_element(scheme.family, scheme.zero_points() ? target + zero : target));
            const float element = decode_element(scheme.family, q.code(r, c)) - zero;
            const float product = element * decode_scale(scheme.family, bits);
            EXPECT_EQ(back(r, c), element * unit);
            const float held = scheme.by_row() ? element : product;
            EXPECT_EQ(bf16_to_float(narrow(r, c)), round_to_bf16(held));
            if (scheme.family != Family::integer && scheme.family != Family::zeroed) {
                EXPECT_EQ(round_to_bf16(held), held);
            }
        }
    }
}

TEST_P(EveryScheme, QuantizesItsOwnOutputToItself) {
    const auto q = round_to_nearest(normal_sample(4, 256, 2), scheme, rule);
    const auto again = quantize(dequantize(q).view(), scheme, q.scales);
    EXPECT_EQ(dequantize(again).values, dequantize(q).values);
}

TEST_P(EveryScheme, ReadsStridedRows) {
    const auto w = normal_sample(4, 512, 3);
    Matrix<float> left(4, 256);
    for (int r = 0; r < 4; ++r) std::copy_n(w.row(r), 256, left.row(r));
    const View<const float> view{w.row(0), 4, 256, 512};
    Threads threads(1);
    auto scales = choose_scales({&view, 1}, {}, scheme, rule, threads).front();
    EXPECT_EQ(scales.bits.values, scales_of(left, scheme, rule).bits.values);
    EXPECT_EQ(quantize(view, scheme, scales).codes.values,
              quantize(left.view(), scheme, scales).codes.values);
}

TEST_P(EveryScheme, CountsItsBits) {
    const auto q = round_to_nearest(normal_sample(4, 256, 4), scheme, rule);
    const double bits = 8. * static_cast<double>(q.codes.values.size()) +
                        scheme.scale_bits() * static_cast<double>(q.scales.bits.values.size()) +
                        4. * static_cast<double>(q.scales.zeros.values.size());
    EXPECT_DOUBLE_EQ(bits / (4 * 256),
                     scheme.bits_per_weight() + (scheme.by_row() ? 16. / 256 : 0));
    EXPECT_EQ(row_scales(q).size(), scheme.by_row() ? 4u : 0u);
}

TEST_P(EveryScheme, RefusesColumnsThatDoNotDivide) {
    const Matrix<float> w(2, scheme.group + scheme.group / 2);
    const auto refuses = testing::ThrowsMessage<Error>(testing::HasSubstr("does not divide into"));
    if (!scheme.by_row()) {
        EXPECT_THAT([&] { scales_of(w, scheme, rule); }, refuses);
        EXPECT_THAT([&] { quantize(w.view(), scheme, {}); }, refuses);
    }
    const Matrix<float> right(2, scheme.group_of(6));
    EXPECT_THAT([&] { quantize(right.view(), scheme, {}); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("0 scales by 0")));
}

TEST_P(EveryScheme, RefusesColumnWeightsThatAreNone) {
    const auto w = normal_sample(2, 256, 5);
    for (const float bad : {-1.f, std::nanf("")}) {
        EXPECT_THROW(scales_of(w, scheme, rule, std::vector<float>(256, bad)), Error);
    }
    EXPECT_THROW(scales_of(w, scheme, rule, std::vector<float>(128, 1)), Error);
}

TEST(Activations, AreElementTimesScaleUnderEveryOnlineRule) {
    const auto x = normal_sample(1, 256, 6);
    for (const ScaleRule& rule : all_scale_rules()) {
        if (!rule.online || rule.row_scale) continue;
        const Scheme& scheme = rule.family == Family::mxint8
                                   ? all_input_schemes()[0]
                                   : find_scheme(rule.family == Family::mx ? "mxfp4" : "nvfp4");
        const float divisor = rule.divisor(largest_magnitude(x.view()));
        const ActivationQuantizer q{&scheme, &rule, divisor};
        Matrix<float> y(1, 256);
        quantize_activation(q, x.row(0), 256, y.row(0));
        const auto weight = dequantize_bf16(round_to_nearest(x, scheme, rule));
        for (int c = 0; c < 256; ++c) {
            EXPECT_EQ(y(0, c), bf16_to_float(weight(0, c))) << rule.name;
            EXPECT_EQ(y(0, c), round_to_bf16(y(0, c)));
        }
        EXPECT_THROW(quantize_activation(q, x.row(0), 24, y.row(0)), Error);
    }
}

// The scale of a row is A over the largest element, in fp32, whatever the row's length.
TEST(Activations, OfARowAreElementsUnderItsScale) {
    for (const auto& [name, top] : {std::pair{"int8", 127.5f}, {"fp8", 448.f}}) {
        const Scheme& scheme = find_scheme(name);
        const ActivationQuantizer q{&scheme, &find_scale_rule("absmax", scheme.family), 1};
        for (const std::int64_t n : {1, 7, 100, 256}) {
            auto x = normal_sample(1, 256, 6);
            Matrix<float> y(1, n);
            const float scale = quantize_activation(q, x.row(0), n, y.row(0));
            EXPECT_EQ(scale, largest_magnitude(View<const float>{x.row(0), 1, n, n}) / top);
            for (std::int64_t c = 0; c < n; ++c) {
                const auto code = encode_element(scheme.family, x(0, c) / scale);
                EXPECT_EQ(y(0, c), decode_element(scheme.family, code));
                EXPECT_EQ(y(0, c), round_to_bf16(y(0, c)));
            }
            std::fill(x.values.begin(), x.values.end(), 0.f);
            EXPECT_EQ(quantize_activation(q, x.row(0), n, y.row(0)), 1);
            EXPECT_EQ(y(0, 0), 0);
        }
    }
}

TEST(Activations, BeyondTheCalibratedRangeSaturate) {
    const Scheme& scheme = find_scheme("nvfp4");
    for (const ScaleRule& rule : all_scale_rules()) {
        if (!rule.online || rule.family != Family::nv) continue;
        auto x = normal_sample(1, 32, 7);
        const ActivationQuantizer q{&scheme, &rule, rule.divisor(largest_magnitude(x.view()))};
        for (float& v : x.values) v *= 1000;
        float y[16];
        quantize_activation(q, x.row(0), 16, y);
        EXPECT_EQ(*std::max_element(y, y + 16), 448 * 6) << rule.name;
    }
}

}  // namespace hb
