// SPDX-License-Identifier: Apache-2.0
// Scales chosen as the solver reaches each group: what a scale costs, in fp64, and what must not
// change it.
#include "quantizers/group_scales.hpp"

#include <gtest/gtest.h>

#include "quantizers/problems.hpp"

namespace hb {
namespace {

using test::make_problem;
using test::random_hessian;
using test::random_matrix;
using test::run;

constexpr std::int64_t kIn = 384;
constexpr int kLanes = 64;

const ScaleRule& rule_of(const Scheme& scheme) {
    const auto* name = scheme.family == Family::nv ? "sweep" : "mse";
    return find_scale_rule(name, scheme.family);
}

// What one lane's group costs under a scale.
double cost(const GroupOfStrip& group, const Scheme& scheme, std::int64_t lane, std::uint16_t bits,
            std::uint8_t zero_code, float divisor) {
    const std::int64_t size = group.targets.rows;
    const float unit = step(scheme.family, bits, divisor);
    const float zero = scheme.zero_points() ? decode_element(scheme.family, zero_code) : 0;
    std::vector<double> errors;
    double sum = 0;
    for (std::int64_t j = 0; j < size; ++j) {
        double target = group.targets(j, lane);
        for (std::int64_t i = 0; i < j; ++i)
            target += errors[static_cast<std::size_t>(i)] * static_cast<double>(group.push(i, j));
        const auto code = encode_element(scheme.family, static_cast<float>(target) / unit + zero);
        const double value = static_cast<double>(decode_element(scheme.family, code) - zero) *
                             static_cast<double>(unit);
        sum += static_cast<double>(group.pivots[j]) * (target - value) * (target - value);
        errors.push_back(static_cast<double>(group.weights(j, lane)) - value);
    }
    return sum;
}

class GroupScales : public testing::TestWithParam<const Scheme*> {
protected:
    const Scheme& scheme() const { return *GetParam(); }
};

INSTANTIATE_TEST_SUITE_P(Schemes, GroupScales, testing::ValuesIn([] {
                             std::vector<const Scheme*> all;
                             for (const auto& scheme : all_schemes())
                                 if (!scheme.by_row()) all.push_back(&scheme);
                             return all;
                         }()),
                         [](const auto& made) { return std::string(made.param->name); });

}  // namespace

TEST_P(GroupScales, CostNoMoreThanTheRulesOwn) {
    const std::int64_t size = scheme().group;
    const auto targets = random_matrix(size, kLanes, 1);
    auto weights = random_matrix(size, kLanes, 2), push = random_matrix(size, size, 3);
    for (std::size_t i = 0; i < weights.values.size(); ++i)
        weights.values[i] = targets.values[i] + .1f * weights.values[i];
    for (float& p : push.values) p *= .2f;
    std::vector<float> pivots(static_cast<std::size_t>(size));
    for (std::int64_t j = 0; j < size; ++j)
        pivots[static_cast<std::size_t>(j)] = 1 / static_cast<float>(j + 1);
    const GroupOfStrip group{targets.view(), weights.view(), push.view(), pivots.data(), 50};
    const float divisor = rule_of(scheme()).divisor(4);
    std::uint16_t bits[kLanes] = {};
    std::uint8_t zeros[kLanes] = {};
    choose_group_scales(group, scheme(), rule_of(scheme()), divisor, bits, zeros);
    double chosen = 0, own = 0;
    for (std::int64_t lane = 0; lane < group.rows; ++lane) {
        std::vector<float> x;
        for (std::int64_t j = 0; j < size; ++j) x.push_back(targets(j, lane));
        const auto proposed =
            rule_of(scheme()).choose(x.data(), pivots.data(), static_cast<int>(size), divisor);
        const auto zero = scheme().zero_points()
                              ? zero_point(x.data(), static_cast<int>(size),
                                           step(scheme().family, proposed, divisor))
                              : std::uint8_t{0};
        const double a = cost(group, scheme(), lane, bits[lane], zeros[lane], divisor);
        const double b = cost(group, scheme(), lane, proposed, zero, divisor);
        EXPECT_LE(a, b * (1 + 1e-5)) << lane;
        chosen += a;
        own += b;
    }
    const bool searched = scheme().family == Family::nv || scheme().family == Family::mx;
    EXPECT_LT(chosen, (searched ? 1 : 1.00001) * own);
    for (int lane = static_cast<int>(group.rows); lane < kLanes; ++lane) EXPECT_EQ(bits[lane], 0);
}

TEST_P(GroupScales, LowerTheErrorOfGptqAndDependOnNoCut) {
    double with = 0, without = 0;
    for (std::uint64_t seed = 10; seed < 13; ++seed) {
        const std::vector weights{random_matrix(70, kIn, seed)};
        const auto h = random_hessian(kIn, 500, seed + 100);
        auto site = make_problem(weights, h, scheme());
        site.options.activation_order = false;
        Threads one(1);
        site.scales = choose_scales(site.weights, {}, scheme(), rule_of(scheme()), one);
        without += run("gptq", site)[0].report.output_error;
        site.options.group_rule = &rule_of(scheme());
        const auto first = run("gptq", site)[0];
        with += first.report.output_error;
        site.options.block = 128;
        const auto again = run("gptq", site, 3)[0];
        EXPECT_EQ(first.weight.codes.values, again.weight.codes.values);
        EXPECT_EQ(first.weight.scales.bits.values, again.weight.scales.bits.values);
    }
    EXPECT_LT(with, without);
}

}  // namespace hb
