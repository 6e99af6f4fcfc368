// SPDX-License-Identifier: Apache-2.0
// A roof lies above what is under it: no product, small enough to stay in cache, is faster.
#include "kernels/roof.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace hb {
namespace {

class Roof : public testing::TestWithParam<const char*> {};

TEST_P(Roof, NoProductIsFaster) {
    const Kernels* kernels = nullptr;
    try {
        kernels = &find_kernels(GetParam());
    } catch (const Error&) {
        GTEST_SKIP() << GetParam() << " does not run here";
    }
    Threads threads(1);
    const double roof = roof_gflops(*kernels, threads);
    EXPECT_TRUE(std::isfinite(roof) && roof > 0) << roof;
    double product = 0;
    for (int i = 0; i < 5; ++i)
        product = std::max(product, measured_gflops(*kernels, threads, 48, 128, 512));
    EXPECT_LT(product, 1.2 * roof);  // the clock may have changed
}

INSTANTIATE_TEST_SUITE_P(Every, Roof, testing::Values("amx", "avx512vnni", "avx2", "ref"),
                         [](const auto& name) { return std::string(name.param); });

TEST(ReadRoof, IsBelowWhatACoreCanLoad) {
    Threads threads(1);
    const double roof = roof_gigabytes_per_second(threads);
    EXPECT_GT(roof, 0.1);
    EXPECT_LT(roof, 1000);  // 2 x 64 bytes a cycle, from L1, would be about 500
}

}  // namespace
}  // namespace hb
