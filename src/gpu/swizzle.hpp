// SPDX-License-Identifier: Apache-2.0
// The scale layout of block-scaled tensor cores (PTX ISA, tcgen05 scale factors; cuBLASLt's
// "128x4"): tiles of 128 rows by 4 groups are 512 consecutive bytes, tiles of a row of tiles follow
// one another, and in a tile the byte of (r, g) is 16 (r mod 32) + 4 (r / 32) + g. Rows are padded
// to 128 and groups to 4; nothing writes the padding, so whoever multiplies it sets it to zero
// first.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define HB_HOST_DEVICE __host__ __device__
#else
#define HB_HOST_DEVICE
#endif

namespace hb::gpu {

HB_HOST_DEVICE constexpr std::int64_t swizzled_place(std::int64_t row, std::int64_t group,
                                                     std::int64_t groups) {
    const std::int64_t tile = row / 128 * ((groups + 3) / 4) + group / 4, in = row % 128;
    return tile * 512 + in % 32 * 16 + in / 32 * 4 + group % 4;
}

HB_HOST_DEVICE constexpr std::int64_t swizzled_bytes(std::int64_t rows, std::int64_t groups) {
    return (rows + 127) / 128 * ((groups + 3) / 4) * 512;
}

}  // namespace hb::gpu
