// SPDX-License-Identifier: Apache-2.0
#include "io/json_fields.hpp"

#include "core/error.hpp"
#include "io/strict_json.hpp"

namespace hb {

const Json* find_field(const Json& json, const char* name) {
    if (!json.is_object()) return nullptr;
    const auto it = json.find(name);
    return it == json.end() || it->is_null() ? nullptr : &*it;
}

std::string shown(const Json& json) {
    return printable(json.dump(-1, ' ', true, Json::error_handler_t::replace), 80);
}

std::string text_or(const Json& json, const char* name, std::string otherwise,
                    std::string_view where) {
    const Json* field = find_field(json, name);
    if (!field) return otherwise;
    if (!field->is_string()) fail("{}: '{}' is {}, wanted a text", where, name, shown(*field));
    return field->get<std::string>();
}

std::vector<std::string> texts_or(const Json& json, const char* name,
                                  std::vector<std::string> otherwise, std::string_view where) {
    const Json* list = find_field(json, name);
    if (!list) return otherwise;
    if (!list->is_array()) fail("{}: '{}' is {}, wanted a list", where, name, shown(*list));
    std::vector<std::string> texts;
    for (const Json& text : *list) {
        if (!text.is_string()) fail("{}: '{}' has {}, wanted texts", where, name, shown(text));
        texts.push_back(text.get<std::string>());
    }
    return texts;
}

}  // namespace hb
