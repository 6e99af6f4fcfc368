// SPDX-License-Identifier: Apache-2.0
// Fields of a JSON that someone else wrote; null counts as absent. `where` begins an error.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"

namespace hb {

const Json* find_field(const Json& json, const char* name);  // null also when not an object

// As it stands there, printable, cut short.
std::string shown(const Json& json);

// Throw Error when the field is there and not of the type; absent: `otherwise`.
std::string text_or(const Json& json, const char* name, std::string otherwise,
                    std::string_view where);
std::vector<std::string> texts_or(const Json& json, const char* name,
                                  std::vector<std::string> otherwise, std::string_view where);

}  // namespace hb
