// SPDX-License-Identifier: Apache-2.0
// Against others: the bytes of compressed-tensors and FP-Quant's formulas (golden/make_golden.py),
// and the relative error of each rule on ideal data as an independent simulation gave it.
#include <gtest/gtest.h>

#include <bit>

#include "core/file.hpp"
#include "core/json.hpp"
#include "schemes/sample.hpp"

namespace hb {

namespace {

struct Golden {
    Json json;
    Matrix<float> weight;
};

Golden golden(const std::string& name) {
    Golden g{Json::parse(read_file(HALFBYTE_TESTS_DIR "/schemes/golden/" + name)), {}};
    g.weight = Matrix<float>(g.json["rows"], g.json["cols"]);
    for (std::size_t i = 0; i < g.weight.values.size(); ++i) {
        g.weight.values[i] = std::bit_cast<float>(g.json["weight_bits"][i].get<std::uint32_t>());
    }
    return g;
}

void expect_equal(const QTensor& q, const Json& json) {
    ASSERT_EQ(q.codes.values.size(), json["codes"].size());
    ASSERT_EQ(q.scales.bits.values.size(), json["scales"].size());
    for (std::size_t i = 0; i < q.scales.bits.values.size(); ++i) {
        EXPECT_EQ(q.scales.bits.values[i], json["scales"][i].get<int>()) << "scale " << i;
    }
    for (std::size_t i = 0; i < q.codes.values.size(); ++i) {
        EXPECT_EQ(q.codes.values[i], json["codes"][i].get<int>()) << "byte " << i;
    }
}

QTensor rounded(const Matrix<float>& w, std::string_view scheme, std::string_view rule) {
    const Scheme& s = find_scheme(scheme);
    return round_to_nearest(w, s, find_scale_rule(rule, s.family));
}

}  // namespace

TEST(CompressedTensors, Mxfp4BytesAreEqual) {
    const auto g = golden("ct_mxfp4.json");
    expect_equal(rounded(g.weight, "mxfp4", "ct-round"), g.json);
}

TEST(CompressedTensors, Nvfp4BytesAreEqual) {
    const auto g = golden("ct_nvfp4.json");
    const auto q = rounded(g.weight, "nvfp4", "absmax");
    expect_equal(q, g.json);
    EXPECT_EQ(std::bit_cast<std::uint32_t>(q.scales.divisor),
              g.json["divisor_bits"][0].get<std::uint32_t>());
}

TEST(FpQuant, Mxfp4ScalesAndValuesAreEqual) {
    const auto g = golden("fp_quant_mx.json");
    const auto q = rounded(g.weight, "mxfp4", "fp-quant");
    EXPECT_EQ(q.scales.divisor, 3);
    const auto back = dequantize(q);
    for (std::size_t i = 0; i < q.scales.bits.values.size(); ++i) {
        EXPECT_EQ(q.scales.bits.values[i], g.json["scales"][i].get<int>()) << "scale " << i;
    }
    for (std::size_t i = 0; i < back.values.size(); ++i) {
        EXPECT_FLOAT_EQ(back.values[i], g.json["values"][i].get<float>()) << i;
    }
}

TEST(MxInt8, IsTheRoundingOfTheSpecification) {
    const auto g = golden("mxint8.json");
    const Scheme& scheme = all_input_schemes()[0];
    expect_equal(round_to_nearest(g.weight, scheme, find_scale_rule("rceil", scheme.family)),
                 g.json);
}

struct Known {
    const char *scheme, *rule;
    double normal, laplace;
};

class KnownError : public testing::TestWithParam<Known> {};

INSTANTIATE_TEST_SUITE_P(
    Table, KnownError,
    testing::Values(
        Known{"mxfp4", "ocp", .01346, .01595}, Known{"mxfp4", "fp-quant", .01375, .01749},
        Known{"mxfp4", "rceil", .01362, .01746}, Known{"mxfp4", "ceil7.25", .01255, .01505},
        Known{"mxfp4", "mse", .01251, .0150}, Known{"mxfp4", "mse43", .01251, .0150},
        Known{"nvfp4", "absmax", .00905, .00857}, Known{"nvfp4", "fp-quant-mse", .00789, .00767},
        Known{"nvfp4", "four-over-six", .00756, .00758}, Known{"nvfp4", "sweep", .00659, .00678},
        Known{"int4g32", "absmax", .00898, .01402}),
    [](const auto& test) {
        std::string name = std::string(test.param.scheme) + "_" + test.param.rule;
        for (char& c : name) {
            if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
        }
        return name;
    });

TEST_P(KnownError, OnNormalAndLaplaceData) {
    const auto [scheme, rule, normal, laplacian] = GetParam();
    const auto error = [&](const Matrix<float>& w) {
        return relative_mse(w, dequantize(rounded(w, scheme, rule)));
    };
    static const auto w = normal_sample(600, 3200, 1), v = sample(600, 3200, 2, laplace);
    EXPECT_NEAR(error(w), normal, .015 * normal);
    EXPECT_NEAR(error(v), laplacian, .015 * laplacian);
}

}  // namespace hb
