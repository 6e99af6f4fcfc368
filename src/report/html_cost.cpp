// SPDX-License-Identifier: Apache-2.0
// Seconds of every cell: quantization, windows, questions.
#include <fmt/format.h>

#include <cmath>

#include "report/study_page.hpp"

namespace hb {
namespace {

double or_nothing(double seconds) {
    return std::isfinite(seconds) ? seconds : 0;
}

}  // namespace

std::string section_cost(const StudyView& study) {
    BarChart chart{"seconds of every cell: quantization, windows, questions", {}};
    HtmlTable table{"Seconds of every cell. \"-\": the run was interrupted and went on.",
                    {"scheme", "recipe", "draw", "quantize", "windows", "questions"},
                    {},
                    2};
    double total = 0;
    for (const CellView& c : study.all_draws) {
        const std::string title =
            c.title() + (c.seed > 0 ? fmt::format(" #{}", c.seed) : std::string());
        const double parts[] = {or_nothing(c.quantize_seconds), or_nothing(c.window_seconds),
                                or_nothing(c.task_seconds)};
        const char* names[] = {"quantized", "windows", "questions"};
        Bar bar{title, {}, shown(parts[0] + parts[1] + parts[2], 1)};
        for (int i = 0; i < 3; ++i)
            if (parts[i] > 0)
                bar.parts.push_back(
                    {parts[i], i, fmt::format("{}, {}: {:.1f} s", title, names[i], parts[i])});
        chart.bars.push_back(std::move(bar));
        table.rows.push_back({c.scheme, c.recipe, fmt::format("{}", c.seed),
                              shown(c.quantize_seconds, 1), shown(c.window_seconds, 1),
                              shown(c.task_seconds, 1)});
        total += parts[0] + parts[1] + parts[2];
    }
    if (chart.bars.empty()) return "";
    std::vector<LegendEntry> legend = {{"quantization", 0, Swatch::bar},
                                       {"windows", 1, Swatch::bar}};
    if (!study.tasks.empty()) legend.push_back({"questions", 2, Swatch::bar});
    return html_paragraph(fmt::format("All cells together took {:.1f} minutes.", total / 60)) +
           html_figure("Seconds of every cell", html_legend(legend) + draw_bars(chart)) +
           html_details("All numbers", html_table(table));
}

}  // namespace hb
