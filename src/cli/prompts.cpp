// SPDX-License-Identifier: Apache-2.0
#include "cli/prompts.hpp"

#include <sstream>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/json.hpp"

namespace hb {

std::vector<std::string> read_prompts(const std::filesystem::path& file) {
    const bool objects = file.extension() == ".jsonl";
    std::vector<std::string> prompts;
    std::istringstream lines(read_file(file));
    std::string line;
    for (std::int64_t number = 1; std::getline(lines, line); ++number) {
        if (line.ends_with('\r')) line.pop_back();
        if (line.find_first_not_of(" \t") == std::string::npos) continue;
        if (!objects) {
            prompts.push_back(line);
            continue;
        }
        const Json json = Json::parse(line, nullptr, false);
        if (!json.is_object() || !json.contains("prompt") || !json["prompt"].is_string())
            fail("{}: line {} is not a JSON object with a string \"prompt\"", file.string(),
                 number);
        prompts.push_back(json["prompt"].get<std::string>());
    }
    if (prompts.empty()) fail("{}: no prompts in it", file.string());
    return prompts;
}

}  // namespace hb
