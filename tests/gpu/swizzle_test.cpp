// SPDX-License-Identifier: Apache-2.0
// The swizzled layout against its definition as nested tensors: (row tile, group tile, 32, 4, 4).
#include "gpu/swizzle.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace hb::gpu {

TEST(Swizzle, IsTheNestedTensor) {
    const std::int64_t rows = 300, groups = 10, group_tiles = 3;
    std::int64_t place = 0;
    for (std::int64_t row_tile = 0; row_tile < 3; ++row_tile) {
        for (std::int64_t group_tile = 0; group_tile < group_tiles; ++group_tile) {
            for (std::int64_t r32 = 0; r32 < 32; ++r32) {
                for (std::int64_t r4 = 0; r4 < 4; ++r4) {
                    for (std::int64_t g = 0; g < 4; ++g, ++place) {
                        EXPECT_EQ(place, swizzled_place(row_tile * 128 + r4 * 32 + r32,
                                                        group_tile * 4 + g, groups));
                    }
                }
            }
        }
    }
    EXPECT_EQ(place, swizzled_bytes(rows, groups));
}

}  // namespace hb::gpu
