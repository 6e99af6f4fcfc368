// SPDX-License-Identifier: Apache-2.0
#include "cli/options.hpp"

#include <algorithm>
#include <thread>

#include "core/file.hpp"

namespace hb {
namespace {

std::string check_parent(const std::string& file) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    const fs::path parent = fs::path(file).parent_path();
    if (!parent.empty() && !fs::is_directory(parent, ignored))
        return "the folder " + parent.string() + " does not exist";
    return fs::is_directory(file, ignored) ? file + " is a folder" : "";
}

}  // namespace

void add_model(CLI::App& app, std::string& model) {
    app.add_option("MODEL", model, "a folder, a .gguf file, or org/name in the local Hugging Face cache")
        ->required();
}

void add_threads(CLI::App& app, int& threads) {
    threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 1024u));
    app.add_option("--threads", threads, "threads; results do not depend on them")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
}

void add_json(CLI::App& app, std::filesystem::path& file) {
    app.add_option("--json", file, "also write the result to this file")
        ->check(CLI::Validator(check_parent, "FILE"));
}

void add_repeated(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                  const std::string& help) {
    app.add_option(name, values, help + " (may be repeated)")
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void write_json(const std::filesystem::path& file, const Json& value) {
    if (file.empty()) return;
    write_file(file, value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace hb
