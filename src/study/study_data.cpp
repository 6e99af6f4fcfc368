// SPDX-License-Identifier: Apache-2.0
#include "study/study_data.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "calibration/dataset.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "engine/generate.hpp"
#include "model/model_tensors.hpp"

namespace hb {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSampledLength = 512;

std::string hex(std::uint64_t number) {
    return fmt::format("{:016x}", number);
}

std::string digest_of(const Matrix<std::int32_t>& rows) {
    return hex(
        digest(std::as_bytes(std::span(rows.values)), static_cast<std::uint64_t>(rows.cols)));
}

std::string digest_of(const std::vector<AskedTask>& tasks) {
    std::uint64_t sum = 0;
    for (const AskedTask& asked : tasks) {
        sum = digest(asked.task->name, sum);
        for (const TaskItem& item : asked.items) {
            sum = digest(std::to_string(item.gold), sum);
            for (const Answer& answer : item.answers)
                for (const auto* text : {&answer.context, &answer.continuation, &answer.choice})
                    sum = digest(*text, sum);
        }
    }
    return hex(sum);
}

void write_rows(const fs::path& file, const Matrix<std::int32_t>& rows) {
    write_file(file, {reinterpret_cast<const char*>(rows.values.data()),
                      rows.values.size() * sizeof(std::int32_t)});
}

std::optional<Matrix<std::int32_t>> stored_rows(const fs::path& file, std::int64_t rows,
                                                std::int64_t cols) {
    if (!fs::exists(file)) return std::nullopt;
    const std::string bytes = read_file(file);
    Matrix<std::int32_t> stored(rows, cols);
    if (bytes.size() != stored.values.size() * sizeof(std::int32_t)) return std::nullopt;
    std::memcpy(stored.values.data(), bytes.data(), bytes.size());
    return stored;
}

Matrix<std::int32_t> sampled(const ModelStudyOptions& options, std::int64_t length,
                             std::uint64_t number, const StudyHooks& hooks) {
    Threads threads(options.threads);
    const Decoder decoder = load_decoder(Checkpoint::open(options.model), threads,
                                         {.baseline_precision = Precision::bf16});
    return generate_rows(
        decoder, pick_kernels(), threads, options.sequences, length, number,
        [&](std::int64_t step) {
            if (hooks.progress)
                hooks.progress(
                    {0, 0, fmt::format("sampling calibration text, {} of {}", step, length)});
        });
}

}  // namespace

Matrix<std::int32_t> spread_windows(const std::vector<std::int32_t>& tokens, std::int64_t count,
                                    std::int64_t length) {
    const auto total = static_cast<std::int64_t>(tokens.size());
    length = std::min(length, total);
    const std::int64_t slots = total / length, stride = (slots + count - 1) / count;
    Matrix<std::int32_t> windows((slots + stride - 1) / stride, length);
    for (std::int64_t i = 0; i < windows.rows; ++i)
        std::copy_n(tokens.begin() + i * stride * length, length, windows.row(i));
    return windows;
}

Matrix<std::int32_t> draw_rows(const std::vector<std::int32_t>& tokens, std::int64_t sequences,
                               std::int64_t length, std::uint64_t draw) {
    if (draw == 0) return cut_rows(tokens, sequences, length);
    const auto total = static_cast<std::int64_t>(tokens.size());
    length = std::min(length, total);
    std::vector<std::int64_t> slots(static_cast<std::size_t>(total / length));
    std::iota(slots.begin(), slots.end(), 0);
    Random random{draw, 0};
    Matrix<std::int32_t> rows(std::min(sequences, std::ssize(slots)), length);
    for (std::int64_t i = 0; i < rows.rows; ++i) {
        const auto left = static_cast<std::uint64_t>(std::ssize(slots) - i);
        std::swap(slots[static_cast<std::size_t>(i)],
                  slots[static_cast<std::size_t>(i) + random.bits() % left]);
    }
    std::sort(slots.begin(), slots.begin() + rows.rows);
    for (std::int64_t i = 0; i < rows.rows; ++i)
        std::copy_n(tokens.begin() + slots[static_cast<std::size_t>(i)] * length, length,
                    rows.row(i));
    return rows;
}

StudyData read_study_data(const ModelStudyOptions& options, const Checkpoint& checkpoint) {
    StudyData data;
    data.config = model_config(checkpoint);
    const auto tokens = read_tokens(options.data, checkpoint, data.config);
    if (tokens.size() < 2)
        fail("{} holds {} token; at least 2 are needed", options.data.string(), tokens.size());
    data.windows = spread_windows(tokens, options.windows, options.window);
    if (data.config.context > 0 && data.windows.cols > data.config.context)
        fail("--window {} is longer than the context of {}, {} tokens", data.windows.cols,
             options.model, data.config.context);
    data.windows_digest = digest_of(data.windows);
    const std::int64_t limit =
        options.limit > 0 ? options.limit : std::numeric_limits<std::int64_t>::max();
    for (const std::string& name : options.tasks)
        data.tasks.push_back(
            {&find_task(name), read_items(find_task(name), options.task_data, limit)});
    if (!data.tasks.empty()) data.tasks_digest = digest_of(data.tasks);
    data.fingerprint = hex(checkpoint.fingerprint());
    return data;
}

Draw make_draw(const ModelStudyOptions& options, const Checkpoint& checkpoint,
               const StudyData& data, std::uint64_t number, const StudyHooks& hooks) {
    const fs::path folder = options.out / "draws";
    fs::create_directories(folder);
    Draw draw;
    Matrix<std::int32_t> rows;
    if (options.calibration.empty()) {
        const std::int64_t length =
            std::min(options.sequence_length, data.config.context > 0
                                                  ? std::min(kSampledLength, data.config.context)
                                                  : kSampledLength);
        draw.file = folder / fmt::format("sampled-{}-{}x{}-{}.i32", number, options.sequences,
                                         length, data.fingerprint.substr(0, 8));
        auto stored = stored_rows(draw.file, options.sequences, length);
        rows = stored ? std::move(*stored) : sampled(options, length, number, hooks);
        if (!stored) write_rows(draw.file, rows);
    } else {
        rows = draw_rows(read_tokens(options.calibration, checkpoint, data.config),
                         options.sequences, options.sequence_length, number);
        draw.file = folder / fmt::format("{}-{}.i32", number, digest_of(rows).substr(0, 8));
        const auto stored = stored_rows(draw.file, rows.rows, rows.cols);
        if (!stored || stored->values != rows.values) write_rows(draw.file, rows);
    }
    draw.sequences = rows.rows;
    draw.length = rows.cols;
    draw.digest = digest_of(rows);
    return draw;
}

}  // namespace hb
