// SPDX-License-Identifier: Apache-2.0
// What one instruction of the FP8 tensor core does with sums that do not fit, against the emulation
// in accumulator.hpp, bit for bit.
#include "gpu/probe.hpp"

#include <cstdio>
#include <random>

#include "accumulator.hpp"
#include "device.hpp"

namespace hb::gpu {

namespace {

struct Rows {
    std::vector<std::uint8_t> bytes;
    std::vector<float> starts;

    void add(const std::vector<std::uint8_t>& row, float start) {
        bytes.insert(bytes.end(), row.begin(), row.end());
        starts.push_back(start);
    }
    std::vector<float> run(std::uint8_t other) {
        while (starts.size() % 64) add(std::vector<std::uint8_t>(32, 0), 0);
        const Buffer<std::uint8_t> device_bytes(bytes);
        const Buffer<float> device_starts(starts), sums(starts.size());
        expect_ok(probe_accumulator(device_bytes.get(), device_starts.get(), sums.get(),
                                    static_cast<std::int64_t>(starts.size()), other, nullptr));
        return sums.values();
    }
    float emulated(std::size_t row, std::uint8_t other) const {
        Product products[32];
        for (std::size_t i = 0; i < 32; ++i) products[i] = {e5m2(bytes[row * 32 + i]), e5m2(other)};
        return static_cast<float>(accumulate(starts[row], products));
    }
    void compare(std::uint8_t other) {
        const std::vector<float> sums = run(other);
        int wrong = 0;
        for (std::size_t r = 0; r < sums.size(); ++r) {
            if (sums[r] == emulated(r, other)) continue;
            if (++wrong <= 5)
                std::printf("row %zu: start %a, sum %a, emulated %a\n", r, starts[r], sums[r],
                            emulated(r, other));
        }
        EXPECT_EQ(0, wrong) << "of " << sums.size() << " under " << e5m2(other);
    }
};

std::uint8_t power(int e) {  // 2^e
    return static_cast<std::uint8_t>((e + 15) << 2);
}

}  // namespace

// One large number and 31 of one small unit, p bits below it; then the large one as the start.
TEST(GpuProbe, OneLargeAndManySmall) {
    Rows rows;
    for (int p = 4; p <= 28; ++p) {
        for (const int sign : {0, 0x80}) {
            std::vector<std::uint8_t> row(32, static_cast<std::uint8_t>(power(14 - p) | sign));
            if (14 - p < -14)
                row.assign(32, static_cast<std::uint8_t>(1 << (2 + 28 - p) >> 2 | sign));
            rows.add(row, 0x1p14f);
            row[7] = power(14);
            rows.add(row, 0);
            std::vector<std::uint8_t> one(32, 0);
            one[3] = row[0];
            rows.add(one, 0x1p14f);
            one[20] = power(14);
            rows.add(one, 0);
        }
    }
    for (const std::uint8_t other : {0x3c, 0x3e, 0xbf}) rows.compare(other);  // 1, 1.5, -1.75
}

TEST(GpuProbe, RandomRows) {
    std::mt19937 random(3);
    Rows rows;
    for (int r = 0; r < 4096; ++r) {
        std::vector<std::uint8_t> row(32);
        const int spread = 1 + r % 30;
        for (auto& byte : row)
            byte = static_cast<std::uint8_t>((random() & 0x83u) |
                                             (random() % static_cast<unsigned>(spread)) << 2);
        const float start = r % 3 ? std::ldexp(static_cast<float>(random() % 16777216u) - 8388608.f,
                                               static_cast<int>(random() % 30) - 30)
                                  : 0;
        rows.add(row, start);
    }
    for (const std::uint8_t other : {0x3c, 0x3e, 0xbf}) rows.compare(other);  // 1, 1.5, -1.75
}

}  // namespace hb::gpu
