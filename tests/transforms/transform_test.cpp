// SPDX-License-Identifier: Apache-2.0
// Laws of every kind and block size: orthogonal, fast equals matrix, products are left alone.
#include "transforms/transform.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "core/error.hpp"
#include "core/random.hpp"

namespace hb {

namespace {

std::vector<TransformKind> kinds() {
    const auto all = all_transforms();
    return {all.begin(), all.end()};
}

Matrix<float> normal(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
    Random random{seed};
    Matrix<float> m(rows, cols);
    for (float& x : m.values) x = random.normal();
    return m;
}

double dot(const float* a, const float* b, std::int64_t n) {
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * b[i];
    return sum;
}

std::string message(std::string_view text, std::int64_t dimension) {
    try {
        parse_transform(text, dimension, 0);
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

}  // namespace

class EveryTransform : public testing::TestWithParam<std::tuple<TransformKind, int>> {
protected:
    TransformKind kind = std::get<0>(GetParam());
    int block = std::get<1>(GetParam());
};

INSTANTIATE_TEST_SUITE_P(All, EveryTransform,
                         testing::Combine(testing::ValuesIn(kinds()),
                                          testing::Values(2, 16, 32, 128)),
                         [](const auto& test) {
                             std::string name(std::get<0>(test.param).name);
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name + "_" + std::to_string(std::get<1>(test.param));
                         });

TEST_P(EveryTransform, IsOrthogonal) {
    const auto t = kind.matrix(block, 5);
    for (int i = 0; i < block; ++i) {
        for (int j = 0; j < block; ++j) {
            double sum = 0;
            for (int k = 0; k < block; ++k) sum += t(i, k) * t(j, k);
            EXPECT_NEAR(sum, i == j, 1e-13);
        }
    }
}

TEST_P(EveryTransform, FastEqualsItsMatrix) {
    const auto t = kind.matrix(block, 5);
    const auto x = normal(8, block, 1);
    for (std::int64_t r = 0; r < x.rows; ++r) {
        std::vector<float> fast(x.row(r), x.row(r) + block);
        kind.apply(fast.data(), block, 5);
        for (int j = 0; j < block; ++j) {
            double want = 0;
            for (int i = 0; i < block; ++i) want += x(r, i) * t(i, j);
            EXPECT_NEAR(fast[static_cast<std::size_t>(j)], want, 4e-6) << j;
        }
    }
}

TEST_P(EveryTransform, OfBothSidesLeavesTheProductAlone) {
    const Transform t{&kind, block, 9};
    auto x = normal(3, 2 * block, 2), w = normal(3, 2 * block, 3);
    const auto x0 = x, w0 = w;
    apply(t, x.view());
    apply(t, w.view());
    EXPECT_EQ(x.values == x0.values, kind.name == "identity");
    for (int r = 0; r < 3; ++r) {
        EXPECT_NEAR(dot(x.row(r), w.row(r), x.cols), dot(x0.row(r), w0.row(r), x.cols), 1e-4);
        EXPECT_NEAR(dot(x.row(r), x.row(r), x.cols), dot(x0.row(r), x0.row(r), x.cols), 1e-3);
    }
}

TEST_P(EveryTransform, TextParsesBackToItself) {
    const auto text = std::string(kind.name) + ":" + std::to_string(block);
    const auto t = parse_transform(text, 3 * block, 4);
    EXPECT_EQ(t.text(), text);
    EXPECT_EQ(parse_transform(t.text(), 3 * block, 4), t);
    EXPECT_EQ(t.seed, kind.seeded ? 4u : 0u);
}

TEST_P(EveryTransform, DependsOnItsSeedOnlyWhenItSaysSo) {
    const bool same = kind.matrix(block, 1).values == kind.matrix(block, 3).values &&
                      kind.matrix(block, 1).values == kind.matrix(block, 2).values;
    EXPECT_EQ(same, !kind.seeded);
}

TEST(Hadamard, ButterfliesRunFromNeighboursOutwards) {
    // 2^24 + 1 is not an fp32: the rounding shows which sums were made first.
    float x[4] = {0x1p24f, 1, 1, 0};
    parse_transform("hadamard:4", 4, 0).kind->apply(x, 4, 0);
    const float a = 0x1p24f + 1.f, b = 0x1p24f - 1.f;
    EXPECT_THAT(x, testing::ElementsAre((a + 1) / 2, (b + 1) / 2, (a - 1) / 2, (b - 1) / 2));
}

TEST(Gsr, ColumnsHaveRisingNumbersOfSignChanges) {
    const auto t = parse_transform("gsr:64", 64, 0).kind->matrix(64, 0);
    for (int j = 0; j < 64; ++j) {
        int changes = 0;
        for (int i = 1; i < 64; ++i) changes += t(i, j) * t(i - 1, j) < 0;
        EXPECT_EQ(changes, j);
    }
}

TEST(Dct, TakesAnyBlock) {
    auto x = normal(2, 24, 1);
    const auto x0 = x;
    apply(parse_transform("dct:24", 24, 0), x.view());
    EXPECT_NEAR(dot(x.row(0), x.row(1), 24), dot(x0.row(0), x0.row(1), 24), 1e-5);
    double mean = 0;
    for (int i = 0; i < 24; ++i) mean += x0(0, i);
    EXPECT_NEAR(x(0, 0), mean / std::sqrt(24.), 1e-5);
}

TEST(ParseTransform, ChoosesTheLargestPowerOfTwoThatDivides) {
    EXPECT_EQ(parse_transform("auto", 576, 0).text(), "hadamard:64");
    EXPECT_EQ(parse_transform("hadamard", 1536, 0).text(), "hadamard:128");
    EXPECT_EQ(parse_transform("gsr", 48, 0).text(), "gsr:16");
    EXPECT_EQ(parse_transform("auto", 7, 0).text(), "none");
    EXPECT_TRUE(parse_transform("none", 7, 0).identity());
}

TEST(ParseTransform, SaysWhatIsWrong) {
    using testing::HasSubstr;
    EXPECT_THAT(message("fourier:32", 64), HasSubstr("choose one of: none, auto, "));
    EXPECT_THAT(message("hadamard:128", 576),
                HasSubstr("128 does not divide the dimension 576; 64 would"));
    EXPECT_THAT(message("gsr:24", 48), HasSubstr("power of two"));
    EXPECT_THAT(message("hadamard", 7), HasSubstr("no even block"));
    for (const auto* text : {"hadamard:", "hadamard:0", "hadamard:-2", "hadamard:1", "hadamard:32x",
                             "hadamard:99999999999", "hadamard:8192"}) {
        EXPECT_THAT(message(text, 8192), HasSubstr("number from 2 to 4096")) << text;
    }
    EXPECT_NE(message("", 8), "");
    EXPECT_NE(message("auto", 0), "");
}

}  // namespace hb
