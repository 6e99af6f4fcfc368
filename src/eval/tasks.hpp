// SPDX-License-Identifier: Apache-2.0
// Questions with known answers, as lm-evaluation-harness asks them without examples: each answer is
// a context and a continuation, and the one whose continuation is likeliest is the model's. A task
// is one line of the table in tasks.cpp: its file, how a line of it becomes an item, the text
// between the question and its answer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"

namespace hb {

struct Answer {
    std::string context, continuation;
    std::string choice;  // the text whose length acc_norm and acc_bytes divide by
};

struct TaskItem {
    std::vector<Answer> answers;
    std::int64_t gold = 0;
    std::string where;  // "arc_easy.jsonl: line 7"
};

enum class Measure {
    acc,       // of the likeliest continuation
    acc_norm,  // beside that, likelihoods by the characters, and by the bytes, of the choice
    last_word  // whether the one continuation is what greedy decoding gives; perplexity
};

struct Task {
    std::string_view name, file;
    TaskItem (*item)(const Json& line, std::string_view cue, std::string where);
    std::string_view cue;  // ends the context
    Measure measure;
    std::string_view help;
};

std::span<const Task> all_tasks();
const Task& find_task(std::string_view name);  // throws Error naming the known ones

// The first `limit` items of the task's file in a folder. Throws Error naming file, line and field.
std::vector<TaskItem> read_items(const Task& task, const std::filesystem::path& folder,
                                 std::int64_t limit);

}  // namespace hb
