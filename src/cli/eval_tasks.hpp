// SPDX-License-Identifier: Apache-2.0
// halfbyte eval MODEL --tasks: questions with known answers instead of a text.
#pragma once

#include <CLI/CLI.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace hb {

// What eval takes whatever it measures on.
struct EvalModels {
    std::string model, reference, head, kv, activations;
    std::filesystem::path json;
    int threads = 1;
};

struct TaskArguments {
    std::vector<std::string> tasks;
    std::filesystem::path data, items;
    std::int64_t limit = 0;  // 0: all
};

// --tasks goes into the group of what to measure on; the rest needs it.
void add_task_options(CLI::App& app, CLI::Option_group& measured, TaskArguments& arguments);
void eval_tasks(const EvalModels& models, const TaskArguments& arguments);

}  // namespace hb
