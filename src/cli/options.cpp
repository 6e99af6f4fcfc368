// SPDX-License-Identifier: Apache-2.0
#include "cli/options.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/file.hpp"
#include "engine/storage.hpp"

namespace hb {
namespace {

std::string check_place(const std::string& file) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    const fs::path parent = fs::path(file).parent_path();
    if (!parent.empty() && !fs::is_directory(parent, ignored))
        return "the folder " + parent.string() + " does not exist";
    if (fs::exists(file, ignored) && !fs::is_regular_file(file, ignored))
        return file + " is not a regular file";
    return "";
}

// Those this process may run on, not all that the machine has.
int usable_processors() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
    return std::clamp(CPU_COUNT(&set), 1, 1024);
}

// find(name) throws Error when it does not know the name.
template <class Find>
CLI::Validator known_to(Find find) {
    const auto check = [find](const std::string& name) -> std::string {
        try {
            find(name);
        } catch (const Error& error) {
            return error.what();
        }
        return "";
    };
    return CLI::Validator(check, "");
}

}  // namespace

void add_model(CLI::App& app, std::string& model) {
    app.add_option("MODEL", model, kModelHelp)->required()->type_name("");
}

void add_threads(CLI::App& app, int& threads) {
    threads = usable_processors();
    app.add_option("-t,--threads", threads, "threads; results do not depend on them")
        ->check(between(1, 1024))
        ->capture_default_str();
}

void add_head(CLI::App& app, std::string& type) {
    type = "stored";
    app.add_option("--head", type,
                   "type of the head, and of an embedding tied to it: " + head_type_names())
        ->check(known_to(find_head_type))
        ->type_name("TYPE")
        ->capture_default_str();
}

void add_kv(CLI::App& app, std::string& type) {
    type = "auto";
    app.add_option("--kv", type,
                   "type of keys and values in the cache: auto (bf16, or fp32 in a model that is "
                   "not quantized), bf16, int8")
        ->check(known_to(find_kv_type))
        ->type_name("TYPE")
        ->capture_default_str();
}

void add_activations(CLI::App& app, std::string& type) {
    type = "stored";
    app.add_option("--activations", type,
                   "type of the inputs of linears whose weights alone are quantized (stored: "
                   "bf16): " +
                       activation_names())
        ->check(known_to(find_activations))
        ->type_name("TYPE")
        ->capture_default_str();
}

void add_json(CLI::App& app, std::filesystem::path& file) {
    app.add_option("--json", file, "also write the result to this file")
        ->type_name("FILE")
        ->check(writable_place());
}

void add_repeated(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                  const std::string& help) {
    app.add_option(name, values, help + " (may be repeated)")
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

CLI::Validator writable_place() {
    return CLI::Validator(check_place, "");
}

CLI::Validator between(double low, double high) {
    return CLI::Validator(
        [=](const std::string& text) -> std::string {
            double value = 0;
            if (CLI::detail::lexical_cast(text, value) && value >= low && value <= high) return "";
            return fmt::format("'{}' is not a number from {} to {}", text, low, high);
        },
        "");
}

void write_json(const std::filesystem::path& file, const Json& value) {
    if (file.empty()) return;
    write_file(file, value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace hb
