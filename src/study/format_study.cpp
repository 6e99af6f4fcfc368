// SPDX-License-Identifier: Apache-2.0
#include "study/format_study.hpp"

namespace hb {
namespace {

bool everything(const ScaleChoice&, int, int) {
    return true;
}

bool can_be_online(const ScaleChoice& choice, int, int) {
    return choice.online();
}

}  // namespace

FormatStudy study_formats(const FormatStudyOptions& options, const std::vector<Sample>& others,
                          Threads& threads) {
    FormatStudy study;
    const auto total = static_cast<std::int64_t>(std::size(all_distributions()) + others.size() +
                                                 std::size(kStudyKurtoses));
    std::int64_t done = 0;
    const auto step = [&] {
        if (options.progress) options.progress(++done, total);
    };
    const auto add = [&](const Sample& sample) {
        const auto rows = study_sample(sample, everything, threads);
        const auto crossovers = crossovers_by_group(rows);
        study.rows.insert(study.rows.end(), rows.begin(), rows.end());
        study.by_group.insert(study.by_group.end(), crossovers.begin(), crossovers.end());
        step();
    };
    for (const Distribution& distribution : all_distributions())
        add(draw_sample(distribution, options.samples, options.seed, threads));
    for (const Sample& sample : others) add(sample);
    std::vector<RowsAtKurtosis> studied;
    for (const double kurtosis : kStudyKurtoses) {
        const auto sample =
            draw_generalized_normal(kurtosis, options.samples, options.seed, threads);
        studied.push_back({kurtosis, study_sample(sample, can_be_online, threads)});
        step();
    }
    study.by_kurtosis = crossovers_by_kurtosis(studied);
    return study;
}

}  // namespace hb
