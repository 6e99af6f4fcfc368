// SPDX-License-Identifier: Apache-2.0
// A table as text: columns padded to the widest cell, cells that look like numbers set to the
// right.
#pragma once

#include <string>
#include <vector>

namespace hb {

struct Table {
    std::vector<std::string> head;               // may be empty: no head line
    std::vector<std::vector<std::string>> rows;  // shorter rows are filled with empty cells
};

std::string plain_text(const Table& table);  // two spaces between columns
std::string markdown(const Table& table);

}  // namespace hb
