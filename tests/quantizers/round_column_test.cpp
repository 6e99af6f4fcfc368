// SPDX-License-Identifier: Apache-2.0
#include "quantizers/round_column.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "core/float_bits.hpp"

namespace hb {
namespace {

// Every bf16 number, and every fp32 number near a threshold, a tie or a value.
std::vector<float> interesting() {
    std::vector<float> all;
    for (std::uint32_t u = 0; u < 65536; ++u) {
        const float x = bf16_to_float(static_cast<std::uint16_t>(u));
        if (!std::isnan(x)) all.push_back(x);
    }
    for (int k = -40; k <= 40; ++k) {
        const auto centre = std::bit_cast<std::int32_t>(static_cast<float>(k) * 0.25f);
        for (int ulp = -300; ulp <= 300; ++ulp) {
            if (k != 0) all.push_back(std::bit_cast<float>(centre + ulp));
        }
    }
    return all;
}

constexpr Family kFamilies[] = {Family::mx,     Family::nv,   Family::integer,
                                Family::zeroed, Family::int8, Family::fp8};

void expect_same_as_encode(Family family, float step, float zero) {
    const auto xs = interesting();
    std::vector<float> targets(xs), steps(xs.size(), step), zeros(xs.size(), zero),
        weights(xs.size(), 100.0f);
    std::vector<std::uint8_t> codes(xs.size());
    for (auto& x : targets) x *= step;
    round_column(family, targets.data(), steps.data(), zeros.data(), weights.data(), codes.data(),
                 static_cast<int>(xs.size()));
    for (std::size_t i = 0; i < xs.size(); ++i) {
        const float target = targets[i] / step;
        const auto wanted =
            encode_element(family, family == Family::zeroed ? target + zero : target);
        ASSERT_EQ(codes[i], wanted) << xs[i];
        ASSERT_EQ(weights[i], 100.0f - (decode_element(family, wanted) - zero) * step) << xs[i];
    }
}

}  // namespace

TEST(RoundColumn, ChoosesTheCodesOfEncodeElement) {
    for (const auto family : kFamilies) {
        for (const float step : {1.0f, 0.125f, 0.0371f, 3.0f})
            expect_same_as_encode(family, step, family == Family::zeroed ? -3.0f : 0.0f);
    }
}

TEST(RoundColumn, ARowDoesNotDependOnItsPlace) {
    for (const auto family : kFamilies) {
        for (int rows = 1; rows < 40; ++rows) {
            std::vector<float> targets(40, 2.6f), steps(40, 0.7f), zeros(40, 0.0f),
                weights(40, 1.0f);
            std::vector<std::uint8_t> codes(40, 99);
            round_column(family, targets.data(), steps.data(), zeros.data(), weights.data(),
                         codes.data(), rows);
            for (int r = 0; r < 40; ++r) {
                EXPECT_EQ(codes[static_cast<std::size_t>(r)],
                          r < rows ? encode_element(family, 2.6f / 0.7f) : 99);
            }
        }
    }
}

}  // namespace hb
