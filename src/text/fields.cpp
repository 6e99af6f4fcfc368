// SPDX-License-Identifier: Apache-2.0
#include "text/fields.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace hb {

std::string Field::shown() const {
    if (value->is_structured() && value->size() > 8)
        return fmt::format("{} of {} entries", value->is_array() ? "an array" : "an object",
                           value->size());
    auto text = value->dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    if (text.size() > 80) text = text.substr(0, 77) + "...";
    return text;
}

void Field::refuse(std::string_view wanted) const {
    fail("{} is {}; wanted {}", name, shown(), wanted);
}

Field Field::operator[](std::string_view key) const {
    static const nlohmann::json null;
    if (!value->is_object()) refuse("an object");
    const auto found = value->find(std::string(key));
    const char* dot = name.ends_with(": ") ? "" : ".";
    return {found == value->end() ? &null : &*found, fmt::format("{}{}{}", name, dot, key)};
}

std::vector<Field> Field::items() const {
    if (!value->is_array()) refuse("an array");
    std::vector<Field> out;
    out.reserve(value->size());
    for (const auto& item : *value) out.push_back({&item, fmt::format("{}[{}]", name, out.size())});
    return out;
}

std::string Field::text() const {
    if (!value->is_string()) refuse("a string");
    return value->get<std::string>();
}

bool Field::flag() const {
    if (!value->is_boolean()) refuse("true or false");
    return value->get<bool>();
}

std::int64_t Field::integer() const {
    if (!value->is_number_integer()) refuse("an integer");
    if (value->is_number_unsigned() && value->get<std::uint64_t>() > 0x7fffffffu)
        refuse("an integer below 2^31");
    return value->get<std::int64_t>();
}

void Field::only(std::initializer_list<std::string_view> keys) const {
    if (!value->is_object()) refuse("an object");
    for (const auto& [key, unused] : value->items())
        if (std::find(keys.begin(), keys.end(), key) == keys.end())
            fail("{} has the key '{}', which is not known; a file with it may mean other ids", name,
                 key);
}

}  // namespace hb
