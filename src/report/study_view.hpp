// SPDX-License-Identifier: Apache-2.0
// The results of a study as its sections read them: plain data out of results.json. A figure that
// is absent or null is NaN, and shown as "-".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/json.hpp"

namespace hb {

struct TaskView {
    std::string task;
    double accuracy = 0, error = 0;
    std::int64_t items = 0;
};

struct LayerView {
    std::int64_t layer = 0;
    std::string linear;  // "q_proj"
    double weight_error = 0, output_error = 0;
};

struct CellView {
    std::string name, scheme, recipe;
    std::int64_t seed = 0;
    int recipe_index = 0;  // among the study's recipes: its colour
    bool quantized_inputs = false;
    double bits = 0, kl = 0, perplexity = 0, top1 = 0;
    double quantize_seconds = 0, window_seconds = 0, task_seconds = 0;
    std::vector<TaskView> tasks;
    std::vector<LayerView> layers;
    Json scales;
    std::string title() const { return scheme + " " + recipe; }
    bool calibrated() const;  // its linears' output errors are known
};

struct TailsView {
    std::int64_t layer = 0;
    std::string site, rotation;
    double kurtosis = 0, peak = 0, rotated_kurtosis = 0, rotated_peak = 0;
};

struct StudyView {
    Json about;                       // results.json without cells and reference
    std::vector<CellView> cells;      // of the first draw
    std::vector<CellView> all_draws;  // these and the others
    std::vector<std::string> recipes;
    double perplexity = 0;  // of the reference
    std::vector<TaskView> tasks;
    std::vector<TailsView> activations;

    // Null when the study has none.
    const CellView* find(const std::string& scheme, const std::string& recipe) const;
    std::vector<const CellView*> by_kl() const;
};

// Throws Error when the JSON is no study's.
StudyView study_view(const Json& results);

std::string shown(double value, int digits);  // "0.1234", or "-" for NaN
// Mean accuracy as a share of the reference's, in percent.
double recovery(const CellView& cell, const StudyView& study);

}  // namespace hb
