// SPDX-License-Identifier: Apache-2.0
// The analysis of arXiv 2509.23202: what a 4-bit element under each scale loses of independent
// numbers, by group size, before and after a Hadamard rotation. Here its conclusions are put to the
// product's scale rules too.
//
//     relative MSE   sum (x' - x)^2 / sum x^2, its standard error from rows as independent draws
//     top error      mean over groups of |x' - x| / |x| of the group's largest element
//     top MSE        sum (x' - x)^2 / sum x^2 over those elements alone
//
// Of several tensors every figure is the mean.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/parallel.hpp"
#include "study/samples.hpp"
#include "study/scale_choice.hpp"

namespace hb {

struct Loss {
    double relative_mse = 0, standard_error = 0, top_error = 0, top_mse = 0;
};
Loss measure_loss(View<const float> x, View<const float> y, int group);

inline constexpr int kStudyGroups[] = {8, 16, 32, 64, 128};
inline constexpr int kStudyRotations[] = {1, 16, 32, 64, 128};  // blocks of Hadamard; 1: none

struct FormatRow {
    std::string sample;
    const ScaleChoice* choice = nullptr;
    int group = 0, rotation = 1;
    double kurtosis = 0;  // after the rotation
    Loss loss;
};

using Wanted = std::function<bool(const ScaleChoice& choice, int group, int rotation)>;

// One row for every wanted combination whose group and rotation divide the columns of all tensors:
// by rotation, then group, then choice. The same numbers on any number of threads.
std::vector<FormatRow> study_sample(const Sample& sample, const Wanted& wanted, Threads& threads);

}  // namespace hb
