// SPDX-License-Identifier: Apache-2.0
// The same cell after several calibration draws.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/study_page.hpp"

namespace hb {
namespace {

struct Draws {
    const CellView* cell;
    std::vector<double> kls;
};

std::vector<Draws> repeated(const StudyView& study) {
    std::vector<Draws> all;
    for (const CellView& cell : study.cells) {
        Draws draws{&cell, {}};
        for (const CellView& one : study.all_draws)
            if (one.scheme == cell.scheme && one.recipe == cell.recipe && std::isfinite(one.kl))
                draws.kls.push_back(one.kl);
        if (draws.kls.size() > 1) all.push_back(std::move(draws));
    }
    return all;
}

double mean(const std::vector<double>& values) {
    double sum = 0;
    for (const double value : values) sum += value;
    return sum / static_cast<double>(values.size());
}

double deviation(const std::vector<double>& values) {
    double sum = 0;
    for (const double value : values) sum += (value - mean(values)) * (value - mean(values));
    return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

}  // namespace

std::string section_draws(const StudyView& study) {
    const std::vector<Draws> all = repeated(study);
    if (all.empty()) return "";
    std::vector<double> kls, places;
    PointChart chart{"KL of every calibration draw, a column of marks for each cell", {}, {}, {}};
    std::vector<LegendEntry> legend;
    HtmlTable table{"KL over the draws: mean, standard deviation, least and most.",
                    {"scheme", "recipe", "draws", "mean", "deviation", "least", "most"},
                    {},
                    2};
    for (const Draws& draws : all) {
        const int series = static_cast<int>(legend.size());
        legend.push_back({draws.cell->title(), series});
        for (std::size_t i = 0; i < draws.kls.size(); ++i) {
            kls.push_back(draws.kls[i]);
            chart.marks.push_back({static_cast<double>(series + 1), draws.kls[i], series, false, "",
                                   fmt::format("{}, draw {}: KL {}", draws.cell->title(), i,
                                               shown(draws.kls[i], 4))});
        }
        const auto [least, most] = std::minmax_element(draws.kls.begin(), draws.kls.end());
        table.rows.push_back({draws.cell->scheme, draws.cell->recipe,
                              fmt::format("{}", draws.kls.size()), shown(mean(draws.kls), 4),
                              shown(deviation(draws.kls), 4), shown(*least, 4), shown(*most, 4)});
    }
    chart.x = {"cell, in the order of the table", 0.4, static_cast<double>(all.size()) + 0.6};
    for (std::size_t i = 1; i <= all.size(); ++i) chart.x.ticks.push_back(static_cast<double>(i));
    chart.y = axis_for("KL", kls, false);
    chart.height = 240;
    return html_paragraph(
               "Each draw takes other calibration rows, and another seed where a transform is "
               "random. Differences between cells that are smaller than this spread say nothing.") +
           html_figure("KL of every draw", html_legend(legend) + draw_points(chart)) +
           html_table(table);
}

}  // namespace hb
