// SPDX-License-Identifier: Apache-2.0
// Histograms of the stored scales, an octave a column.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/study_page.hpp"

namespace hb {
namespace {

std::string histogram(const CellView& cell) {
    const Json shares = cell.scales.value("shares", Json::array());
    if (!shares.is_array() || shares.empty()) return "";
    const double first = cell.scales.value("first", 0.0),
                 count = static_cast<double>(shares.size());
    ColumnChart chart{"share of the scales of " + cell.title() + " by octave",
                      {"octave of the stored scale, log2", first - 0.7, first + count - 0.3},
                      {},
                      {}};
    std::vector<double> values = {0};
    for (std::size_t i = 0; i < shares.size(); ++i) {
        const double octave = first + static_cast<double>(i),
                     share = 100 * (shares[i].is_number() ? shares[i].get<double>() : 0.0);
        values.push_back(share);
        chart.columns.push_back({octave, share, cell.recipe_index, false, "",
                                 fmt::format("2^{:.0f}: {:.3g} %", octave, share)});
    }
    chart.y = axis_for("% of all scales", values, false);
    for (double octave = first; octave < first + count; ++octave)
        if (std::fmod(std::abs(octave), std::max(1.0, std::floor(count / 7))) == 0)
            chart.x.ticks.push_back(octave);
    return html_figure(cell.title(), draw_columns(chart));
}

std::string numbers(const StudyView& study) {
    HtmlTable table{"The middle 98 % of the stored scales, and how many are zero.",
                    {"scheme", "recipe", "octaves", "from 2^", "to 2^", "zero %"},
                    {},
                    2};
    for (const CellView& cell : study.cells) {
        const Json shares = cell.scales.value("shares", Json::array());
        if (!shares.is_array() || shares.empty()) continue;
        const int first = cell.scales.value("first", 0);
        double below = 0;
        int low = first, high = first;
        for (std::size_t i = 0; i < shares.size(); ++i) {
            const double share = shares[i].is_number() ? shares[i].get<double>() : 0.0;
            if (below < 0.01) low = first + static_cast<int>(i);
            if (below < 0.99) high = first + static_cast<int>(i);
            below += share;
        }
        table.rows.push_back({cell.scheme, cell.recipe, fmt::format("{}", shares.size()),
                              fmt::format("{}", low), fmt::format("{}", high),
                              shown(100 * cell.scales.value("zeros", 0.0), 3)});
    }
    return table.rows.empty() ? "" : html_table(table);
}

}  // namespace

std::string section_scales(const StudyView& study) {
    std::string charts;
    for (const CellView& cell : study.cells)
        if (cell.recipe == study.recipes.back()) charts += histogram(cell);
    const std::string table = numbers(study);
    if (table.empty()) return "";
    return html_paragraph(
               "Which scales the files store, over all linears, before a tensor's own divisor. MX "
               "has one scale in an octave, NV eight in each of eighteen octaves, integers and "
               "rows scales in bf16 or fp32.") +
           html_grid(charts) + html_details("All cells in numbers", table);
}

}  // namespace hb
