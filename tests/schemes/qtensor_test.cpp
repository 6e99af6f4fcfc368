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

TEST_P(EveryScheme, DecodesToElementTimesScaleOverDivisor) {
    const auto w = normal_sample(4, 256, 1);
    const auto q = round_to_nearest(w, scheme, rule);
    const auto back = dequantize(q);
    const auto narrow = dequantize_bf16(q);
    for (int r = 0; r < 4; ++r) {
        for (int c = 0; c < 256; ++c) {
            const auto bits = q.scales.bits(r, c / scheme.group);
            const float unit = step(scheme.family, bits, q.scales.divisor);
            EXPECT_EQ(q.code(r, c), encode_element(scheme.family, w(r, c) / unit));
            const float product =
                decode_element(scheme.family, q.code(r, c)) * decode_scale(scheme.family, bits);
            EXPECT_EQ(back(r, c), product / q.scales.divisor);
            EXPECT_EQ(bf16_to_float(narrow(r, c)), round_to_bf16(product));
            if (scheme.family != Family::integer) {
                EXPECT_EQ(round_to_bf16(product), product);
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
                        scheme.scale_bits() * static_cast<double>(q.scales.bits.values.size());
    EXPECT_DOUBLE_EQ(bits / (4 * 256), scheme.bits_per_weight());
}

TEST_P(EveryScheme, RefusesColumnsThatDoNotDivide) {
    const Matrix<float> w(2, scheme.group + scheme.group / 2);
    const auto refuses = testing::ThrowsMessage<Error>(testing::HasSubstr("does not divide into"));
    EXPECT_THAT([&] { scales_of(w, scheme, rule); }, refuses);
    EXPECT_THAT([&] { quantize(w.view(), scheme, {}); }, refuses);
    const Matrix<float> right(2, scheme.group);
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
        if (!rule.online) continue;
        const Scheme& scheme = find_scheme(rule.family == Family::mx ? "mxfp4" : "nvfp4");
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
