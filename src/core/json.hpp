// SPDX-License-Identifier: Apache-2.0
// JSON keeps the order of its keys, so that a file that passes through us stays recognisable.
#pragma once

#include <nlohmann/json.hpp>

namespace hb {
using Json = nlohmann::ordered_json;
}
