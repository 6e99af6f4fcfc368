// SPDX-License-Identifier: Apache-2.0
// KL and perplexity against bits per weight. The line joins the cells that no other beats in both.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include "report/study_page.hpp"

namespace hb {
namespace {

using Figure = double CellView::*;

// Indices of the cells that no other beats in both, by bits.
std::vector<std::size_t> pareto(const std::vector<const CellView*>& cells, Figure figure) {
    std::vector<std::size_t> sorted(cells.size()), line;
    std::iota(sorted.begin(), sorted.end(), 0);
    std::sort(sorted.begin(), sorted.end(), [&](std::size_t a, std::size_t b) {
        return std::tuple(cells[a]->bits, cells[a]->*figure, a) <
               std::tuple(cells[b]->bits, cells[b]->*figure, b);
    });
    double best = std::numeric_limits<double>::infinity();
    for (const std::size_t i : sorted)
        if (cells[i]->*figure < best) {
            best = cells[i]->*figure;
            line.push_back(i);
        }
    return line;
}

// Schemes of the same size stand side by side.
double aside(const CellView& cell, const std::vector<const CellView*>& cells) {
    std::vector<std::string> schemes;
    for (const CellView* other : cells)
        if (other->bits == cell.bits &&
            std::find(schemes.begin(), schemes.end(), other->scheme) == schemes.end())
            schemes.push_back(other->scheme);
    const auto at = std::find(schemes.begin(), schemes.end(), cell.scheme) - schemes.begin();
    return 9.5 * (static_cast<double>(at) - static_cast<double>(schemes.size() - 1) / 2);
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
    chart.x.low /= 1.15;  // room for names
    for (const double tick : {2.0, 3.0, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 16.0})
        if (tick > chart.x.low && tick < chart.x.high) chart.x.ticks.push_back(tick);
    for (const CellView* c : cells)
        chart.marks.push_back({c->bits, c->*figure, c->recipe_index, !c->quantized_inputs,
                               least_of_its_scheme(*c, cells, figure) ? c->scheme : "",
                               fmt::format("{}: {:.4g} bits, {} {}", c->title(), c->bits, name,
                                           shown(c->*figure, digits)),
                               aside(*c, cells)});
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
               "beats in both; each scheme has its name at the best of its cells. Schemes of the "
               "same "
               "size stand side by side.") +
           html_grid(html_figure("KL to the model, per token",
                                 marks + chart(study, &CellView::kl, "KL", 4)) +
                     html_figure("Perplexity",
                                 marks + chart(study, &CellView::perplexity, "perplexity", 3)));
}

}  // namespace hb
