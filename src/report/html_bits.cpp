// SPDX-License-Identifier: Apache-2.0
// KL and perplexity against bits per weight. The line joins the cells that no other beats in both.
#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <limits>

#include "report/study_page.hpp"

namespace hb {
namespace {

using Figure = double CellView::*;

std::vector<std::pair<double, double>> pareto(const std::vector<const CellView*>& cells,
                                              Figure figure) {
    std::vector<std::pair<double, double>> sorted, line;
    for (const CellView* c : cells) sorted.emplace_back(c->bits, c->*figure);
    std::sort(sorted.begin(), sorted.end());
    double best = std::numeric_limits<double>::infinity();
    for (const auto& point : sorted)
        if (point.second < best) {
            best = point.second;
            line.push_back(point);
        }
    return line;
}

bool least_of_its_scheme(const CellView& cell, const std::vector<const CellView*>& cells,
                         Figure figure) {
    return std::none_of(cells.begin(), cells.end(), [&](const CellView* other) {
        return other->scheme == cell.scheme && other->*figure < cell.*figure;
    });
}

std::string chart(const StudyView& study, Figure figure, const std::string& name, int digits) {
    std::vector<const CellView*> cells;
    std::vector<double> bits, values;
    for (const CellView& c : study.cells)
        if (std::isfinite(c.*figure) && std::isfinite(c.bits) && c.bits > 0) {
            cells.push_back(&c);
            bits.push_back(c.bits);
            values.push_back(c.*figure);
        }
    PointChart chart{fmt::format("{} against bits per weight of {} cells; the numbers are in the "
                                 "table of all cells",
                                 name, cells.size()),
                     axis_for("bits per weight", bits, true),
                     axis_for(name, values, true),
                     {},
                     pareto(cells, figure)};
    for (const double tick : {2.0, 3.0, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 16.0})
        if (tick > chart.x.low && tick < chart.x.high) chart.x.ticks.push_back(tick);
    for (const CellView* c : cells)
        chart.marks.push_back({c->bits, c->*figure, c->recipe_index, !c->quantized_inputs,
                               least_of_its_scheme(*c, cells, figure) ? c->scheme : "",
                               fmt::format("{}: {:.4g} bits, {} {}", c->title(), c->bits, name,
                                           shown(c->*figure, digits))});
    return draw_points(chart);
}

}  // namespace

std::string section_bits(const StudyView& study) {
    if (study.cells.empty()) return "";
    std::vector<LegendEntry> legend = recipe_legend(study);
    legend.push_back({"inputs quantized", kNeutral});
    legend.push_back({"inputs in 16 bits", kNeutral, Swatch::hollow});
    const std::string marks = html_legend(legend);
    return html_paragraph(
               "Down and to the left is better. The dashed line joins the cells that no other "
               "beats in both; each scheme has its name at the best of its cells.") +
           html_grid(html_figure("KL to the model, per token",
                                 marks + chart(study, &CellView::kl, "KL", 4)) +
                     html_figure("Perplexity",
                                 marks + chart(study, &CellView::perplexity, "perplexity", 3)));
}

}  // namespace hb
