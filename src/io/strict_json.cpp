// SPDX-License-Identifier: Apache-2.0
#include "io/strict_json.hpp"

#include <unordered_set>
#include <vector>

#include "core/error.hpp"
#include "core/file.hpp"

namespace hb {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxKeys = 20000;  // ordered_json looks keys up one by one

}  // namespace

std::string printable(std::string_view text, std::size_t limit) {
    std::string out;
    for (const char c : text.substr(0, limit)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte >= 0x7f)
            out += fmt::format("\\x{:02x}", byte);
        else
            out += c;
    }
    if (text.size() > limit) out += "...";
    return out;
}

std::string json_reason(const std::exception& error) {
    const std::string_view text = error.what();
    const auto end = text.find("] ");
    return printable(end == std::string_view::npos ? text : text.substr(end + 2), 200);
}

Json parse_json(std::string_view text, const std::string& where) {
    std::vector<std::unordered_set<std::string>> keys;
    const Json::parser_callback_t check = [&](int depth, Json::parse_event_t event, Json& value) {
        using Event = Json::parse_event_t;
        if ((event == Event::object_start || event == Event::array_start) && depth >= kMaxDepth)
            fail("{}: nested more than {} levels deep", where, kMaxDepth);
        if (event == Event::object_start) keys.emplace_back();
        if (event == Event::object_end) keys.pop_back();
        if (event == Event::key) {
            const auto& key = value.get_ref<const std::string&>();
            if (!keys.back().insert(key).second)
                fail("{}: key '{}' occurs twice", where, printable(key));
            if (keys.back().size() > kMaxKeys)
                fail("{}: an object with more than {} keys", where, kMaxKeys);
        }
        return true;
    };
    try {
        return Json::parse(text.begin(), text.end(), check);
    } catch (const Json::exception& error) {
        fail("{} is not valid JSON: {}", where, json_reason(error));
    }
}

std::string read_text(const std::filesystem::path& path, std::uint64_t limit) {
    std::error_code code;
    const auto size = std::filesystem::file_size(path, code);
    if (!code && size > limit)
        fail("{} is {} bytes long; at most {} are accepted", path.string(), size, limit);
    return read_file(path);
}

Json read_json_object(const std::filesystem::path& path, std::uint64_t limit) {
    Json json = parse_json(read_text(path, limit), path.string());
    if (!json.is_object())
        fail("{}: wanted a JSON object, got {}", path.string(), json.type_name());
    return json;
}

}  // namespace hb
