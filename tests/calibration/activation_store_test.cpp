// SPDX-License-Identifier: Apache-2.0
// What was saved comes back, rounded to bf16, wherever it lay in between.
#include <gtest/gtest.h>

#include <filesystem>

#include "calibration/activation_store.hpp"
#include "core/float_bits.hpp"
#include "core/parallel.hpp"
#include "core/random.hpp"

namespace hb {
namespace {

TEST(ActivationStore, GivesBackWhatItWasGivenFromMemoryAndFromTheFile) {
    constexpr std::int64_t kSequences = 3, kRows = 5, kCols = 7, kOne = 2 * kRows * kCols;
    Threads two(2);
    for (const std::int64_t bytes : {std::int64_t{0}, kOne, 2 * kOne + 1, 100 * kOne}) {
        ActivationStore store(pick_kernels(), kSequences, kRows, kCols, bytes,
                              std::filesystem::temp_directory_path(), 2);
        Matrix<float> saved[kSequences];
        for (int round = 0; round < 2; ++round) {
            for (std::int64_t s = 0; s < kSequences; ++s) {
                Random random{static_cast<std::uint64_t>(10 * round + s)};
                Matrix<float> x(kRows, kCols);
                for (float& v : x.values) v = random.normal();
                const Matrix<float> given = x;
                two.loop(2, [&](std::int64_t half, int thread) {
                    const std::int64_t first = half * 2, rows = half ? kRows - 2 : 2;
                    store.save(thread, s, first, x.view().middle_rows(first, rows));
                });
                for (std::size_t i = 0; i < x.values.size(); ++i)
                    ASSERT_EQ(x.values[i], round_to_bf16(given.values[i]));
                saved[s] = x;
            }
            for (const std::int64_t s : {2, 0, 1}) {
                Matrix<float> x(kRows, kCols);
                store.load(1, s, 0, x.view().middle_rows(0, 4));
                store.load(0, s, 4, x.view().middle_rows(4, 1));
                EXPECT_EQ(x.values, saved[s].values) << s << " with " << bytes << " bytes";
            }
        }
    }
}

TEST(ActivationStore, SaysWhereItCannotSpill) {
    EXPECT_ANY_THROW(ActivationStore(pick_kernels(), 2, 3, 4, 0, "/no/such/folder", 1));
    EXPECT_NO_THROW(ActivationStore(pick_kernels(), 2, 3, 4, 1000, "/no/such/folder", 1));
}

}  // namespace
}  // namespace hb
