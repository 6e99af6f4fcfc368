// SPDX-License-Identifier: Apache-2.0
// Prompts from a file: the string "prompt" of every line of a .jsonl, else every line as it is.
// Blank lines do not count.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace hb {

// Throws Error when there are none, or with the number of a line that cannot be read.
std::vector<std::string> read_prompts(const std::filesystem::path& file);

}  // namespace hb
