// SPDX-License-Identifier: Apache-2.0
// halfbyte study MODEL --out DIR: schemes x recipes, measured, as a report.
#pragma once

#include "cli/commands.hpp"

namespace hb {

// Options of the command itself, which a subcommand does without.
Action define_study_model(CLI::App& app);

}  // namespace hb
