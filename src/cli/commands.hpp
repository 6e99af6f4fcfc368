// SPDX-License-Identifier: Apache-2.0
// The command line as a table: a command declares its options on a CLI11 app and gives back what to
// do once they are parsed. Only this folder prints. A failure is exactly one line on stderr that
// begins with "halfbyte:"; the exit status is 1 for bad input, 2 for a command line that cannot be
// read.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <span>
#include <string_view>

namespace hb {

using Action = std::function<void()>;

// Thrown by an action that has said all and ends with another status than 0.
struct ExitStatus {
    int value;
};

struct Command {
    std::string_view name, help;
    Action (*define)(CLI::App& app);
};

Action define_quantize(CLI::App& app);
Action define_eval(CLI::App& app);
Action define_run(CLI::App& app);
Action define_bench(CLI::App& app);
Action define_inspect(CLI::App& app);
Action define_convert(CLI::App& app);
Action define_doctor(CLI::App& app);
Action define_study(CLI::App& app);
Action define_list(CLI::App& app);
Action define_sample(CLI::App& app);

std::span<const Command> all_commands();

int run_command_line(int argc, const char* const* argv);  // the exit status

}  // namespace hb
