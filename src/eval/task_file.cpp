// SPDX-License-Identifier: Apache-2.0
#include "eval/task_file.hpp"

#include <charconv>
#include <sstream>
#include <vector>

#include "core/error.hpp"
#include "io/strict_json.hpp"
#include "text/unicode.hpp"

namespace hb {
namespace {

constexpr std::uint64_t kLargestFile = 1 << 30;
constexpr int kLinesAnItem = 6;

bool next_line(std::istream& lines, std::string& line) {
    if (!std::getline(lines, line)) return false;
    if (line.ends_with('\r')) line.pop_back();
    return true;
}

Json item_of_lines(const std::vector<std::string>& lines, const std::string& where) {
    Json item = {{"query", lines[0]}, {"gold", nullptr}, {"choices", Json::array()}};
    unsigned gold = 0;
    const char* end = lines[1].data() + lines[1].size();
    const auto read = std::from_chars(lines[1].data(), end, gold);
    if (read.ec != std::errc() || read.ptr != end)
        fail("{}: the line after it is '{}'; wanted the number of the right ending", where,
             printable(lines[1]));
    item["gold"] = gold;
    for (std::size_t i = 2; i < lines.size(); ++i) item["choices"].push_back(lines[i]);
    return item;
}

}  // namespace

void read_task_file(const std::filesystem::path& file, std::int64_t limit,
                    const std::function<void(const Json& item, std::string where)>& on_item) {
    const bool objects = file.extension() == ".jsonl";
    std::istringstream text(replace_invalid_utf8(read_text(file, kLargestFile)));
    std::vector<std::string> lines;
    std::string line;
    std::int64_t number = 0, first = 0;
    while (limit > 0 && next_line(text, line)) {
        ++number;
        if (lines.empty() && line.find_first_not_of(" \t") == std::string::npos) continue;
        if (lines.empty()) first = number;
        lines.push_back(std::move(line));
        if (!objects && lines.size() < kLinesAnItem) continue;
        const std::string where = fmt::format("{}: line {}", file.string(), first);
        on_item(objects ? parse_json(lines[0], where) : item_of_lines(lines, where), where);
        lines.clear();
        --limit;
    }
    if (!lines.empty())
        fail("{}: line {} begins an item of {} lines; wanted {}", file.string(), first,
             lines.size(), kLinesAnItem);
}

}  // namespace hb
