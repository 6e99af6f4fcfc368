// SPDX-License-Identifier: Apache-2.0
// Kurtosis and peak of every site's input, layer by layer, as it is and rotated.
#include <fmt/format.h>

#include <algorithm>

#include "report/study_page.hpp"

namespace hb {
namespace {

constexpr const char* kSites[] = {"qkv", "o", "gate_up", "down"};

using Measure = double TailsView::*;

std::string chart(const StudyView& study, const std::string& site, Measure plain, Measure rotated,
                  const std::string& name, const std::vector<double>& range) {
    LineChart chart{
        fmt::format("{} of the input of {} by layer, before and after rotation", name, site),
        {"layer"},
        axis_for(name, range, true),
        {{"as it is", 1, false, {}}, {"rotated", 0, true, {}}},
        190};
    std::string rotation;
    for (const TailsView& tails : study.activations) {
        if (tails.site != site) continue;
        const auto layer = static_cast<double>(tails.layer);
        chart.lines[0].points.emplace_back(layer, tails.*plain);
        chart.lines[1].points.emplace_back(layer, tails.*rotated);
        chart.x.high = std::max({chart.x.high, layer, 1.0});
        rotation = tails.rotation;
    }
    if (chart.lines[0].points.empty()) return "";
    return html_figure(fmt::format("{}: {}, rotated by {}", site, name, rotation),
                       draw_lines(chart));
}

std::string charts(const StudyView& study, Measure plain, Measure rotated,
                   const std::string& name) {
    std::vector<double> range;
    for (const TailsView& tails : study.activations)
        for (const double value : {tails.*plain, tails.*rotated})
            if (value > 0) range.push_back(value);
    std::string all;
    for (const char* site : kSites) all += chart(study, site, plain, rotated, name, range);
    return html_legend({{"as it is", 1, Swatch::line}, {"rotated", 0, Swatch::dashed}}) +
           html_grid(all);
}

std::string numbers(const StudyView& study) {
    HtmlTable table{"Kurtosis and peak of the inputs of every site.",
                    {"layer", "site", "kurtosis", "rotated", "peak", "rotated peak"},
                    {},
                    2};
    for (const TailsView& t : study.activations)
        table.rows.push_back({fmt::format("{}", t.layer), t.site, shown(t.kurtosis, 2),
                              shown(t.rotated_kurtosis, 2), shown(t.peak, 1),
                              shown(t.rotated_peak, 1)});
    return html_table(table);
}

}  // namespace

std::string section_outliers(const StudyView& study) {
    if (study.activations.empty()) return "";
    return html_paragraph(
               "Kurtosis is 3 for numbers that are normally distributed, and more the heavier "
               "their tails are. Peak is the largest magnitude over the root of the mean square. "
               "Both are of the reference's activations over all tokens and channels of a few "
               "calibration rows; rotated means by blocks of a Hadamard matrix.") +
           html_heading("Kurtosis") +
           charts(study, &TailsView::kurtosis, &TailsView::rotated_kurtosis, "kurtosis") +
           html_heading("Peak") +
           charts(study, &TailsView::peak, &TailsView::rotated_peak, "peak") +
           html_details("All numbers", numbers(study));
}

}  // namespace hb
