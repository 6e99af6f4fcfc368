// SPDX-License-Identifier: Apache-2.0
// What is measured of a model in a study: the text's windows beside the reference, and questions.
#pragma once

#include "study/study_data.hpp"

namespace hb {

using OnStage = std::function<void(const std::string&)>;

struct StudyReference {
    std::string model;
    std::vector<Matrix<float>> states;  // of the windows, once a cell has been measured
};

// {"perplexity", "kl", "top1", "seconds"}; without a reference the perplexity and the seconds
// alone.
Json measure_windows(const std::string& model, StudyReference* reference, const StudyData& data,
                     int threads, const OnStage& on_stage);

// [{"task", "items", "accuracy", "error"}] and the seconds under "seconds"
Json measure_tasks(const std::string& model, const StudyData& data, int threads,
                   const OnStage& on_stage);

}  // namespace hb
