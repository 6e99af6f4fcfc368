// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "report/html.hpp"

namespace hb {
namespace {

bool is_number(const std::string& cell) {
    return cell == "-" || (cell.find_first_of("0123456789") != std::string::npos &&
                           cell.find_first_not_of("0123456789+-.,e% ±") == std::string::npos);
}

// Whose cells all are numbers, which are set to the right.
std::vector<bool> number_columns(const HtmlTable& table) {
    std::vector<bool> numbers(table.head.size(), !table.rows.empty());
    for (const auto& row : table.rows)
        for (std::size_t c = 0; c < std::min(row.size(), numbers.size()); ++c)
            numbers[c] = numbers[c] && c >= table.headers && is_number(row[c]);
    return numbers;
}

std::string swatch(const LegendEntry& entry) {
    const std::string series = fmt::format("s{}", entry.series % kSeriesColours);
    std::string body;
    switch (entry.swatch) {
        case Swatch::line:
        case Swatch::dashed:
            body = fmt::format("<path class=\"line {}{}\" d=\"M1 7H23\"/>", series,
                               entry.swatch == Swatch::dashed ? " dashed" : "");
            break;
        case Swatch::bar:
            body = fmt::format(
                "<rect class=\"bar {}\" x=\"2\" y=\"2\" width=\"20\" height=\"10\"/>", series);
            break;
        default:
            body = fmt::format("<path {}/>",
                               mark_shape(12, 7, entry.series, entry.swatch == Swatch::hollow));
    }
    return "<svg class=\"swatch\" viewBox=\"0 0 24 14\" aria-hidden=\"true\">" + body + "</svg>";
}

}  // namespace

std::string html_table(const HtmlTable& table) {
    const std::vector<bool> numbers = number_columns(table);
    const auto attribute = [&](std::size_t column, const std::string& cell) {
        if (column < numbers.size() && numbers[column]) return " class=\"n\"";
        return cell.size() > 24 ? " class=\"wide\"" : "";
    };
    std::string out = fmt::format(
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{0}\"><table>\n"
        "<caption><span>{0}</span></caption>\n<thead><tr>",
        escaped(table.caption));
    for (std::size_t c = 0; c < table.head.size(); ++c)
        out += fmt::format("<th scope=\"col\"{}>{}</th>", attribute(c, ""), escaped(table.head[c]));
    out += "</tr></thead>\n<tbody>\n";
    for (const auto& row : table.rows) {
        out += "<tr>";
        for (std::size_t c = 0; c < row.size(); ++c) {
            const std::string cell = escaped(row[c]);
            out += c < table.headers ? fmt::format("<th scope=\"row\">{}</th>", cell)
                                     : fmt::format("<td{}>{}</td>", attribute(c, row[c]), cell);
        }
        out += "</tr>\n";
    }
    return out + "</tbody></table></div>\n";
}

std::string html_legend(const std::vector<LegendEntry>& entries) {
    std::string out = "<ul class=\"legend\">";
    for (const LegendEntry& entry : entries)
        out += fmt::format("<li>{}{}</li>", swatch(entry), escaped(entry.text));
    return out + "</ul>\n";
}

std::string html_paragraph(std::string_view text) {
    return fmt::format("<p>{}</p>\n", escaped(text));
}

std::string html_figure(std::string_view caption, const std::string& body) {
    return fmt::format("<figure><figcaption>{}</figcaption>\n{}</figure>\n", escaped(caption),
                       body);
}

std::string html_grid(const std::string& figures) {
    return "<div class=\"grid-of\">\n" + figures + "</div>\n";
}

std::string html_details(std::string_view summary, const std::string& body) {
    return fmt::format("<details><summary>{}</summary>\n{}</details>\n", escaped(summary), body);
}

std::string html_heading(std::string_view text) {
    return fmt::format("<h3>{}</h3>\n", escaped(text));
}

}  // namespace hb
