// SPDX-License-Identifier: Apache-2.0
// The parts of a page: well-formed XML as well as HTML, no script, nothing fetched. Text is escaped
// here; what is called `body` is HTML already.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/svg.hpp"

namespace hb {

struct HtmlTable {
    std::string caption;
    std::vector<std::string> head;
    std::vector<std::vector<std::string>> rows;  // the first `headers` cells of a row name it
    std::size_t headers = 1;
};
// In a box that scrolls by itself when the screen is narrower than the table.
std::string html_table(const HtmlTable& table);

enum class Swatch { mark, hollow, line, dashed, bar };
struct LegendEntry {
    std::string text;
    int series = 0;
    Swatch swatch = Swatch::mark;
};
std::string html_legend(const std::vector<LegendEntry>& entries);

std::string html_paragraph(std::string_view text);
// A chart under its caption. `body`: legend and <svg>.
std::string html_figure(std::string_view caption, const std::string& body);
std::string html_grid(const std::string& figures);  // side by side where there is room
std::string html_details(std::string_view summary, const std::string& body);
std::string html_heading(std::string_view text);  // inside a section

struct HtmlSection {
    std::string id, title, body;
};
std::string html_page(std::string_view title, std::string_view description,
                      const std::vector<HtmlSection>& sections, std::string_view footer);

}  // namespace hb
