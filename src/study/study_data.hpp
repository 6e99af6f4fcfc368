// SPDX-License-Identifier: Apache-2.0
// What every cell of a study is computed from, read once: the windows that are measured, the rows
// that calibrate, the questions. Each has a digest, so that a cell that is stored can tell whether
// it still holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/matrix.hpp"
#include "eval/tasks.hpp"
#include "io/checkpoint.hpp"
#include "model/config.hpp"
#include "study/model_study.hpp"

namespace hb {

// Calibration rows as a file that quantize_model reads.
struct Draw {
    std::filesystem::path file;
    std::int64_t sequences = 0, length = 0;
    std::string digest;
};

struct AskedTask {
    const Task* task = nullptr;
    std::vector<TaskItem> items;
};

struct StudyData {
    ModelConfig config;
    std::string fingerprint;       // of the model
    Matrix<std::int32_t> windows;  // (count, length)
    std::string windows_digest;
    std::vector<AskedTask> tasks;
    std::string tasks_digest;  // empty without tasks
};

// Throws Error on data that cannot be read, or that is longer than the model's context.
StudyData read_study_data(const ModelStudyOptions& options, const Checkpoint& checkpoint);

// The stream cut into windows in order; of these every n-th, the first one among them, so that at
// most `count` are left.
Matrix<std::int32_t> spread_windows(const std::vector<std::int32_t>& tokens, std::int64_t count,
                                    std::int64_t length);
// Draw 0: rows spread evenly over the stream; others: as many rows, chosen by the draw's number.
Matrix<std::int32_t> draw_rows(const std::vector<std::int32_t>& tokens, std::int64_t sequences,
                               std::int64_t length, std::uint64_t draw);

// The draw's rows in out/draws: cut from the calibration file, or sampled from the model, which is
// not done again when the file is there.
Draw make_draw(const ModelStudyOptions& options, const Checkpoint& checkpoint,
               const StudyData& data, std::uint64_t number, const StudyHooks& hooks);

}  // namespace hb
