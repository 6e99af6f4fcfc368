// SPDX-License-Identifier: Apache-2.0
#include "core/float_bits.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace hb {

TEST(FloatBits, Bf16RoundTripsEveryPattern) {
    for (std::uint32_t u = 0; u < 65536; ++u) {
        const float x = bf16_to_float(static_cast<std::uint16_t>(u));
        if (std::isnan(x))
            EXPECT_TRUE(std::isnan(round_to_bf16(x)));
        else
            EXPECT_EQ(float_to_bf16(x), u);
    }
}

TEST(FloatBits, F16RoundTripsEveryPatternAndEqualsTheCompiler) {
    for (std::uint32_t u = 0; u < 65536; ++u) {
        const auto bits = static_cast<std::uint16_t>(u);
        const float x = f16_to_float(bits);
        if (std::isnan(x)) continue;
        EXPECT_EQ(x, static_cast<float>(std::bit_cast<_Float16>(bits)));
        EXPECT_EQ(float_to_f16(x), bits);
    }
}

TEST(FloatBits, F16RoundsAsTheCompilerDoes) {
    for (std::uint32_t u = 0; u < 0x47800000u + 0x10000u; u += 977) {
        const float x = std::bit_cast<float>(u);
        EXPECT_EQ(float_to_f16(x), std::bit_cast<std::uint16_t>(static_cast<_Float16>(x))) << x;
    }
}

}  // namespace hb
