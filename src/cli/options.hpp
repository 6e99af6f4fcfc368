// SPDX-License-Identifier: Apache-2.0
// Options that several commands share.
#pragma once

#include <CLI/CLI.hpp>

#include <filesystem>
#include <string>
#include <vector>

#include "core/json.hpp"

namespace hb {

inline constexpr const char* kModelHelp =
    "a folder, a .gguf file, or org/name in the local Hugging Face cache";
void add_model(CLI::App& app, std::string& model);
void add_threads(CLI::App& app, int& threads);           // default: every hardware thread
void add_head(CLI::App& app, std::string& type);         // a name that find_head_type knows
void add_activations(CLI::App& app, std::string& type);  // a name that find_activations knows
void add_kv(CLI::App& app, std::string& type);           // a name that find_kv_type knows
// A file for the result; its folder is checked before any work is done.
void add_json(CLI::App& app, std::filesystem::path& file);
// An option that may be given several times and takes one value each time.
void add_repeated(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                  const std::string& help);

// Refuses a folder that does not exist, and what is there already but no plain file (a device, a
// folder).
CLI::Validator writable_place();
// Refuses what is not a number from low to high; says nothing in the help, where the default
// speaks.
CLI::Validator between(double low, double high);

void write_json(const std::filesystem::path& file,
                const Json& value);  // nothing when file is empty

}  // namespace hb
