// SPDX-License-Identifier: Apache-2.0
#include "report/table.hpp"

#include <algorithm>

namespace hb {
namespace {

std::size_t width_of(const std::string& text) {  // in code points
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

bool is_number(const std::string& cell) {
    return !cell.empty() && cell.find_first_of("0123456789") != std::string::npos &&
           cell.find_first_not_of("0123456789+-.,e%xX") == std::string::npos;
}

struct Column {
    std::size_t width = 0;
    bool right = true;
};

std::vector<Column> measure_columns(const Table& table) {
    std::vector<Column> columns(table.head.size());
    for (const auto& row : table.rows) columns.resize(std::max(columns.size(), row.size()));
    for (std::size_t c = 0; c < table.head.size(); ++c) columns[c].width = width_of(table.head[c]);
    for (const auto& row : table.rows) {
        for (std::size_t c = 0; c < row.size(); ++c) {
            columns[c].width = std::max(columns[c].width, width_of(row[c]));
            columns[c].right =
                columns[c].right && (row[c].empty() || row[c] == "-" || is_number(row[c]));
        }
    }
    return columns;
}

std::string line(const std::vector<std::string>& cells, const std::vector<Column>& columns,
                 const std::string& separator) {
    std::string text;
    for (std::size_t c = 0; c < columns.size(); ++c) {
        const std::string cell = c < cells.size() ? cells[c] : "";
        const std::string space(columns[c].width - std::min(columns[c].width, width_of(cell)), ' ');
        text += (c ? separator : "") + (columns[c].right ? space + cell : cell + space);
    }
    return text;
}

}  // namespace

std::string plain_text(const Table& table) {
    const auto columns = measure_columns(table);
    std::string text;
    const auto add = [&](const std::vector<std::string>& cells) {
        std::string one = line(cells, columns, "  ");
        one.erase(one.find_last_not_of(' ') + 1);
        text += one + "\n";
    };
    if (!table.head.empty()) add(table.head);
    for (const auto& row : table.rows) add(row);
    return text;
}

std::string markdown(const Table& table) {
    const auto columns = measure_columns(table);
    std::string text = "| " + line(table.head, columns, " | ") + " |\n|";
    for (const Column& column : columns)
        text += std::string(column.width + 1, '-') + (column.right ? ":|" : "-|");
    text += "\n";
    for (const auto& row : table.rows) text += "| " + line(row, columns, " | ") + " |\n";
    return text;
}

}  // namespace hb
