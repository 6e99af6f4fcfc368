// SPDX-License-Identifier: Apache-2.0
#include <numeric>

#include "device.hpp"
#include "gpu/copy.hpp"

namespace hb::gpu {

TEST(GpuCopy, MovesEveryByteAndNoMore) {
    for (const std::size_t n : {0, 4, 8188, 8192, 100004}) {
        std::vector<std::uint32_t> values(n);
        std::iota(values.begin(), values.end(), 1u);
        const Buffer<std::uint32_t> from(values), to(n);
        expect_ok(copy(from.get(), to.get(), static_cast<std::int64_t>(n * 4), nullptr));
        EXPECT_EQ(values, to.values()) << n;
    }
}

TEST(GpuCopy, RefusesOddSizes) {
    EXPECT_EQ(Code::bad_argument, copy(nullptr, nullptr, 12, nullptr).code);
}

}  // namespace hb::gpu
