// SPDX-License-Identifier: Apache-2.0
// A study of one model: every scheme under every recipe is a cell, and a cell is quantized,
// measured against the model, and forgotten but for its figures. A finished cell is a file, found
// again by a digest of all that its figures depend on; an interrupted one goes on where
// quantize_model stopped. So a study that is run again computes only what is missing.
//
//     OUT/draws/            calibration rows
//     OUT/cells/NAME/       result.json, and the quantized model until it is measured
//     OUT/results.json, results.csv, report.html
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/json.hpp"

namespace hb {

struct ModelStudyOptions {
    std::string model;
    std::filesystem::path out;
    std::vector<std::string> schemes = {"mxfp4",   "nvfp4",    "mxfp4a16", "nvfp4a16",
                                        "int4g32", "int4g128", "int8",     "fp8"};
    // A recipe, or "RECIPE+TRANSFORM" for another transform than it has.
    std::vector<std::string> recipes = {"rtn", "rtn+hadamard", "gptq", "mr-gptq"};
    std::filesystem::path calibration;  // empty: rows of 512 tokens sampled from the model
    std::int64_t sequences = 16, sequence_length = 2048;
    std::filesystem::path data;  // what is measured on
    std::int64_t windows = 10, window = 2048;
    std::vector<std::string> tasks;
    std::filesystem::path task_data;
    std::int64_t limit = 0;  // of items; 0: all
    // Calibration draws of the cells with 4-bit inputs under the last recipe.
    std::int64_t seeds = 1;
    int threads = 1;
    bool keep = false;  // the quantized models
};

struct StudyProgress {
    std::int64_t done = 0, total = 0;  // cells; total 0: a stage without a count
    std::string stage;
};

struct StudyHooks {
    std::function<void(const StudyProgress&)> progress;
    std::function<void(const std::string&)> notice;
};

// {"version", "model", "fingerprint", "windows" {file, count, length}, "calibration" {source,
// sequences, length}, "reference" {perplexity, tasks, activations}, "cells" [{name, scheme, recipe,
// seed, quantized_inputs, bits_per_weight, perplexity, kl, top1, layers, scales, tasks, seconds}],
// "left_out"
// [{scheme, recipe, reason}]}
Json study_model(const ModelStudyOptions& options, const StudyHooks& hooks);

}  // namespace hb
