// SPDX-License-Identifier: Apache-2.0
// The items of a task as JSON objects, from .jsonl (one a line) or from .txt with six lines an
// item: the question, the number of the right ending from 0, four endings. The latter become
// {"query", "gold", "choices"}.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "core/json.hpp"

namespace hb {

// Calls on_item(object, "FILE: line N") for the first `limit` items. Throws Error naming the line.
void read_task_file(const std::filesystem::path& file, std::int64_t limit,
                    const std::function<void(const Json& item, std::string where)>& on_item);

}  // namespace hb
