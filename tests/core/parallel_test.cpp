// SPDX-License-Identifier: Apache-2.0
#include "core/parallel.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <stdexcept>

namespace hb {

TEST(Threads, EveryIndexRunsOnceHoweverManyThreads) {
    for (const int count : {1, 2, 3, 7}) {
        Threads threads(count);
        for (int round = 0; round < 200; ++round) {
            std::vector<int> hits(static_cast<std::size_t>(round), 0);
            threads.loop(round, [&](std::int64_t i, int thread) {
                EXPECT_LT(thread, count);
                ++hits[static_cast<std::size_t>(i)];
            });
            EXPECT_EQ(std::accumulate(hits.begin(), hits.end(), 0), round);
            threads.loop_in_runs(round, [&](std::int64_t i, int thread) {
                EXPECT_LT(thread, count);
                ++hits[static_cast<std::size_t>(i)];
            });
            for (const int hit : hits) EXPECT_EQ(hit, 2);
        }
    }
}

TEST(CutInParts, CoversTheRowsWithSmallPartsLast) {
    for (const int threads : {1, 2, 3, 16}) {
        for (const std::int64_t rows : {0, 1, 127, 128, 130, 256, 512, 513, 2048, 5000}) {
            std::int64_t next = 0, before = 256;
            for (const Part& part : cut_in_parts(rows, threads)) {
                EXPECT_EQ(part.first, next);
                EXPECT_LE(part.rows, before);
                EXPECT_GT(part.rows, 0);
                next += part.rows;
                before = part.rows;
            }
            EXPECT_EQ(next, rows);
        }
    }
    EXPECT_EQ(cut_in_parts(2048, 2).size(), 10u);
    EXPECT_EQ(cut_in_parts(2048, 1).size(), 8u);
    EXPECT_EQ(cut_in_parts(512, 2).size(), 2u);
    EXPECT_EQ(cut_in_parts(513, 2).size(), 4u);
}

TEST(Threads, ALoopAfterAPauseStillRuns) {
    Threads threads(3);
    for (int round = 0; round < 5; ++round) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        std::atomic<int> sum{0};
        threads.loop(100, [&](std::int64_t i, int) { sum += static_cast<int>(i); });
        EXPECT_EQ(sum, 4950);
    }
}

TEST(Threads, TheFirstExceptionComesBackAndTheNextLoopRuns) {
    Threads threads(2);
    EXPECT_THROW(threads.loop(50,
                              [](std::int64_t i, int) {
                                  if (i == 7) throw std::runtime_error("seven");
                              }),
                 std::runtime_error);
    std::atomic<int> ran{0};
    threads.loop(50, [&](std::int64_t, int) { ++ran; });
    EXPECT_EQ(ran, 50);
}

}  // namespace hb
