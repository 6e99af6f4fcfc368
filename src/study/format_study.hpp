// SPDX-License-Identifier: Apache-2.0
// The whole study: every choice on every distribution and on what else is given, and, along a
// family of distributions of rising kurtosis, the choices that can serve activations.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "study/crossover.hpp"
#include "study/formats.hpp"

namespace hb {

inline constexpr double kStudyKurtoses[] = {3.5, 4, 5, 6, 8, 12, 20, 40, 80};

struct FormatStudyOptions {
    std::int64_t samples = 1 << 18;  // numbers of each distribution
    std::uint64_t seed = 42;
    std::function<void(std::int64_t done, std::int64_t total)> progress;
};

struct FormatStudy {
    std::vector<FormatRow> rows;
    std::vector<Crossover> by_group, by_kurtosis;
};

FormatStudy study_formats(const FormatStudyOptions& options, const std::vector<Sample>& others,
                          Threads& threads);

}  // namespace hb
