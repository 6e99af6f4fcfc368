// SPDX-License-Identifier: Apache-2.0
// What every scale rule owes: a sane scale for any finite input, a bounded error, an honest search.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "core/error.hpp"
#include "schemes/sample.hpp"

namespace hb {

namespace {

struct Case {
    Scheme scheme;
    ScaleRule rule;
};

std::vector<Case> cases() {
    std::vector<Case> out;
    for (const auto schemes : {all_schemes(), all_input_schemes()}) {
        for (const Scheme& scheme : schemes) {
            for (const ScaleRule& rule : all_scale_rules()) {
                if (rule.family == scheme.family && scheme.name.find("a16") == scheme.name.npos) {
                    out.push_back({scheme, rule});
                }
            }
        }
    }
    return out;
}

// The other rules look at a group's extremes alone.
bool searches(const ScaleRule& rule) {
    constexpr std::string_view from_magnitude[] = {"ocp",      "ct-round", "rceil", "ceil7.25",
                                                   "fp-quant", "absmax",   "minmax"};
    return std::ranges::find(from_magnitude, rule.name) == std::end(from_magnitude);
}

std::string name_of(const testing::TestParamInfo<Case>& test) {
    std::string name =
        std::string(test.param.scheme.name) + "_" + std::string(test.param.rule.name);
    for (char& c : name) {
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    }
    return name;
}

}  // namespace

class EveryRule : public testing::TestWithParam<Case> {
protected:
    const Scheme& scheme = GetParam().scheme;
    const ScaleRule& rule = GetParam().rule;

    void expect_sane(const Scales& scales) const {
        EXPECT_TRUE(std::isfinite(scales.divisor) && scales.divisor > 0) << scales.divisor;
        for (const auto bits : scales.bits.values) {
            const float scale = decode_scale(scheme.family, bits);
            EXPECT_TRUE(std::isfinite(scale) && scale > 0) << bits;
            if (scheme.family == Family::mx || scheme.family == Family::mxint8) {
                EXPECT_TRUE(bits >= 1 && bits <= 254) << bits;
            }
            if (scheme.family == Family::nv) {
                EXPECT_TRUE(bits >= 1 && bits <= 126) << bits;
            }
        }
    }
};

INSTANTIATE_TEST_SUITE_P(All, EveryRule, testing::ValuesIn(cases()), name_of);

TEST_P(EveryRule, KeepsTheErrorOfNormalDataSmall) {
    const auto w = normal_sample(64, 512, 1);
    const auto scales = scales_of(w, scheme, rule);
    expect_sane(scales);
    EXPECT_LT(relative_mse(w, dequantize(quantize(w.view(), scheme, scales))), .016);
}

TEST_P(EveryRule, SurvivesAnyMagnitude) {
    for (const int exponent :
         {-149, -140, -130, -126, -110, -60, -30, 30, 60, 100, 120, 125, 126, 127}) {
        auto w = normal_sample(2, 256, 2);
        for (float& x : w.values) {
            x = static_cast<float>(std::clamp(x * std::exp2(exponent) / 4, -3.4e38, 3.4e38));
        }
        const auto scales = scales_of(w, scheme, rule);
        expect_sane(scales);
        const auto back = dequantize(quantize(w.view(), scheme, scales));
        EXPECT_TRUE(std::none_of(back.values.begin(), back.values.end(),
                                 [](float x) { return std::isnan(x); }));
        if (exponent >= -110 && exponent <= 120) {
            EXPECT_LT(relative_mse(w, back), .02) << exponent;
        }
    }
}

TEST_P(EveryRule, QuantizesZeroToZero) {
    auto w = normal_sample(2, 256, 3);
    std::fill(w.row(1), w.row(1) + 128, 0.f);
    const Matrix<float> nothing(2, 256);
    for (const Matrix<float>* m : {&std::as_const(w), &nothing}) {
        const auto scales = scales_of(*m, scheme, rule);
        expect_sane(scales);
        const auto q = quantize(m->view(), scheme, scales);
        for (int c = 0; c < 128; ++c)
            EXPECT_EQ(decode_element(scheme.family, q.code(1, c)), q.zero(1, 0));
    }
}

TEST_P(EveryRule, KeepsGroupsThatAreTinyBesideOthers) {
    if (scheme.by_row()) return;  // a row is one group
    auto w = normal_sample(1, 256, 4);
    for (int c = 128; c < 256; ++c) w(0, c) *= 0x1p-12f;
    const auto back = dequantize(round_to_nearest(w, scheme, rule));
    double error = 0, sum = 0;
    for (int c = 128; c < 256; ++c) {
        error += std::pow(w(0, c) - back(0, c), 2);
        sum += std::pow(w(0, c), 2);
    }
    EXPECT_LT(error / sum, .05);
    for (int c = 128; c < 256; ++c) w(0, c) *= 0x1p-30f;
    expect_sane(scales_of(w, scheme, rule));
}

TEST_P(EveryRule, IsInvariantUnderPowersOfTwo) {
    const auto w = normal_sample(8, 256, 5);
    auto doubled = w;
    for (float& x : doubled.values) x *= 0x1p7f;
    const auto a = round_to_nearest(w, scheme, rule), b = round_to_nearest(doubled, scheme, rule);
    EXPECT_EQ(a.codes.values, b.codes.values);
    auto back = dequantize(a);
    for (float& x : back.values) x *= 0x1p7f;
    EXPECT_EQ(back.values, dequantize(b).values);
}

TEST_P(EveryRule, GivesTheSameBitsOnAnyNumberOfThreads) {
    const auto w = normal_sample(33, 256, 6);
    const View<const float> views[] = {w.view().middle_rows(0, 20), w.view().middle_rows(20, 13)};
    Threads one(1), three(3);
    const auto a = choose_scales(views, {}, scheme, rule, one);
    const auto b = choose_scales(views, {}, scheme, rule, three);
    const auto whole = scales_of(w, scheme, rule);
    for (const int t : {0, 1}) {
        const auto i = static_cast<std::size_t>(t);
        EXPECT_EQ(a[i].bits.values, b[i].bits.values);
        EXPECT_EQ(a[i].divisor, b[i].divisor);
        EXPECT_EQ(a[i].divisor, a[0].divisor) << "tensors that share an input share the divisor";
        if (rule.refits == 0) {
            EXPECT_EQ(a[i].bits.values[0], whole.bits(20 * t, 0));
        }
    }
}

TEST_P(EveryRule, RefusesWeightsThatAreNotFinite) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        auto w = normal_sample(2, 256, 7);
        w(1, 200) = bad;
        EXPECT_THAT([&] { scales_of(w, scheme, rule); },
                    testing::ThrowsMessage<Error>(testing::HasSubstr("at row 1, column 200")));
    }
}

TEST_P(EveryRule, WeighsErrorsWhenItSearches) {
    const auto w = normal_sample(64, 256, 8);
    std::vector<float> h(256);
    Random random{9};
    for (float& x : h) x = static_cast<float>(std::exp2(12 * random.uniform() - 6));
    const double plain = squared_distance(w, dequantize(round_to_nearest(w, scheme, rule)), h);
    const double weighted =
        squared_distance(w, dequantize(round_to_nearest(w, scheme, rule, h)), h);
    if (searches(rule)) {
        EXPECT_LT(weighted, plain);
    } else {
        EXPECT_EQ(weighted, plain);
    }
    const std::vector<float> ones(256, 1), zeros(256, 0);
    const auto unweighted = scales_of(w, scheme, rule).bits.values;
    EXPECT_EQ(scales_of(w, scheme, rule, ones).bits.values, unweighted);
    EXPECT_EQ(scales_of(w, scheme, rule, zeros).bits.values, unweighted);
}

// A search over a superset of another rule's scales, under the same divisor, is at least as good.
TEST(Searches, AreNoWorseThanWhatTheyContain) {
    const auto w = sample(64, 512, 10, laplace);
    const auto error = [&](std::string_view scheme, std::string_view rule) {
        const Scheme& s = find_scheme(scheme);
        return squared_distance(
            w, dequantize(round_to_nearest(w, s, find_scale_rule(rule, s.family))));
    };
    for (const auto* rule : {"ocp", "ct-round", "rceil", "ceil7.25"}) {
        EXPECT_LE(error("mxfp4", "mse"), error("mxfp4", rule)) << rule;
    }
    EXPECT_LE(error("mxfp4", "mse43"), error("mxfp4", "fp-quant"));
    for (const auto* rule : {"four-over-six", "sweep4", "sweep8"}) {
        EXPECT_LE(error("nvfp4", "sweep"), error("nvfp4", rule)) << rule;
    }
    EXPECT_LE(error("nvfp4", "sweep8"), error("nvfp4", "sweep4"));
    EXPECT_LE(error("nvfp4", "sweep-alternating"), error("nvfp4", "sweep"));
    EXPECT_LE(error("int4g32", "mse"), error("int4g32", "absmax"));
    EXPECT_LE(error("int4g128a", "mse"), error("int4g128a", "minmax"));
}

TEST(MxRules, RaiseTheExponentAtTheirThreshold) {
    struct Threshold {
        const char* rule;
        float last_low;  // largest magnitude that keeps the OCP exponent
    };
    const float below_7 = std::nextafter(7.f, 0.f), below_8 = std::nextafter(8.f, 0.f);
    for (const auto& [name, low] : {Threshold{"ocp", below_8}, Threshold{"ct-round", below_7},
                                    Threshold{"rceil", 6}, Threshold{"ceil7.25", 7.25f}}) {
        const ScaleRule& rule = find_scale_rule(name, Family::mx);
        for (const int exponent : {-50, 0, 50}) {
            Matrix<float> x(1, 32);
            x(0, 3) = -std::ldexp(low, exponent);
            EXPECT_EQ(rule.choose(x.row(0), nullptr, 32, 1), 127 + exponent) << name;
            x(0, 3) = -std::ldexp(std::nextafter(low, 9.f), exponent);
            EXPECT_EQ(rule.choose(x.row(0), nullptr, 32, 1), 128 + exponent) << name;
        }
    }
}

// Largest magnitudes of 64 to just below 127.5 keep the exponent, and no element leaves -127..127.
TEST(MxInt8Rule, RaisesTheExponentWhereTheLargestWouldBe128) {
    const ScaleRule& rule = find_scale_rule("rceil", Family::mxint8);
    for (const int exponent : {-50, 0, 50}) {
        const auto expect_scale = [&](float largest, int scale, int element) {
            Matrix<float> x(1, 32);
            x(0, 7) = -std::ldexp(largest, exponent);
            const auto bits = rule.choose(x.row(0), nullptr, 32, 1);
            EXPECT_EQ(bits, 127 + exponent + scale) << largest;
            const float unit = decode_scale(Family::mxint8, bits);
            EXPECT_EQ(encode_element(Family::mxint8, x(0, 7) / unit),
                      static_cast<std::uint8_t>(-element))
                << largest;
        };
        expect_scale(64, 0, 64);
        expect_scale(126.5f, 0, 126);
        expect_scale(127, 0, 127);
        expect_scale(std::nextafter(127.5f, 0.f), 0, 127);
        expect_scale(127.5f, 1, 64);
        expect_scale(std::nextafter(128.f, 0.f), 1, 64);
        expect_scale(128, 1, 64);
    }
}

// A group that is nowhere near 0 on one side loses no code to it: the error of a shifted one is
// that of its range, which a symmetric scale doubles.
TEST(ZeroPoints, HoldTheRangeOfAGroup) {
    auto w = normal_sample(4, 512, 11);
    for (float& x : w.values) x = std::fabs(x);
    const auto error = [&](std::string_view name, std::string_view rule) {
        const Scheme& s = find_scheme(name);
        return relative_mse(w, dequantize(round_to_nearest(w, s, find_scale_rule(rule, s.family))));
    };
    EXPECT_LT(error("int4g128a", "minmax"), .3 * error("int4g128", "absmax"));
    Matrix<float> x(1, 128);
    for (int c = 0; c < 128; ++c) x(0, c) = static_cast<float>(c % 16 - 5);
    const Scheme& scheme = find_scheme("int4g128a");
    for (const char* rule : {"minmax", "mse"}) {
        const auto q = round_to_nearest(x, scheme, find_scale_rule(rule, scheme.family));
        EXPECT_EQ(q.zero(0, 0), -3) << rule;
        EXPECT_EQ(dequantize(q).values, x.values) << rule;
    }
}

// One group alone reaches its own optimum in a round: its scale is in 1/g entirely.
TEST(SweepAlternating, RefitsTheDivisor) {
    const Scheme& scheme = find_scheme("nvfp4");
    const auto error = [&](std::uint64_t seed, std::string_view rule) {
        auto w = normal_sample(1, 32, seed);
        std::fill(w.row(0) + 16, w.row(0) + 32, 0.f);
        return relative_mse(
            w, dequantize(round_to_nearest(w, scheme, find_scale_rule(rule, scheme.family))));
    };
    double plain = 0, alternating = 0;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        EXPECT_LE(error(seed, "sweep-alternating"), error(seed, "sweep") * (1 + 1e-6)) << seed;
        plain += error(seed, "sweep");
        alternating += error(seed, "sweep-alternating");
    }
    EXPECT_LT(alternating, .98 * plain);
}

TEST(ScaleRules, AreFoundByNameAndFamily) {
    for (const ScaleRule& rule : all_scale_rules()) {
        EXPECT_EQ(find_scale_rule(rule.name, rule.family).choose, rule.choose);
    }
    for (const Scheme& scheme : all_schemes()) {
        EXPECT_EQ(find_scale_rule(scheme.weight_rule, scheme.family).family, scheme.family);
        EXPECT_EQ(scheme.activation_rule.empty(), !scheme.quantized_activations);
        if (scheme.quantized_activations) {
            EXPECT_TRUE(find_scale_rule(scheme.activation_rule, scheme.family).online);
        }
    }
    for (const Scheme& scheme : all_input_schemes()) {
        EXPECT_TRUE(scheme.quantized_activations && scheme.weight_rule.empty());
        EXPECT_TRUE(find_scale_rule(scheme.activation_rule, scheme.family).online);
    }
    EXPECT_THAT(
        [] { find_scale_rule("sweep", Family::mx); },
        testing::ThrowsMessage<Error>(testing::HasSubstr("ocp, ct-round, rceil, ceil7.25")));
    EXPECT_THAT([] { find_scheme("fp5"); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("mxfp4, nvfp4, mxfp4a16")));
}

}  // namespace hb
