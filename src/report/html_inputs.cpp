// SPDX-License-Identifier: Apache-2.0
// Of each pair of schemes that differ in their inputs alone (NAME and NAMEa16): how much of the
// loss is there with 16-bit inputs, and how much rounding the inputs adds.
#include <fmt/format.h>

#include <cmath>

#include "report/study_page.hpp"

namespace hb {

std::string section_inputs(const StudyView& study) {
    BarChart chart{"KL of the weights alone, and what rounding the inputs adds", {}};
    HtmlTable table{"The same in numbers: KL, and the share of it that comes with the inputs.",
                    {"scheme", "recipe", "weights", "weights and inputs", "inputs' share %"},
                    {},
                    2};
    for (const CellView& both : study.cells) {
        const CellView* weights = study.find(both.scheme + "a16", both.recipe);
        if (!weights || !std::isfinite(both.kl) || !std::isfinite(weights->kl)) continue;
        const double added = both.kl - weights->kl;
        chart.bars.push_back(
            {both.title(),
             {{weights->kl, 0, fmt::format("{}: KL {}", weights->title(), shown(weights->kl, 4))},
              {added, 1,
               fmt::format("{}: KL {}, {} more", both.title(), shown(both.kl, 4),
                           shown(added, 4))}},
             shown(both.kl, 4)});
        table.rows.push_back({both.scheme, both.recipe, shown(weights->kl, 4), shown(both.kl, 4),
                              shown(100 * added / both.kl, 1)});
    }
    if (table.rows.empty()) return "";
    return html_paragraph(
               "A pair shares its recipe; its weights are rounded by the scale rules that each of "
               "the two schemes has under it.") +
           html_figure("KL to the model",
                       html_legend({{"weights, inputs in 16 bits", 0, Swatch::bar},
                                    {"added by 4-bit inputs", 1, Swatch::bar}}) +
                           draw_bars(chart)) +
           html_table(table);
}

}  // namespace hb
