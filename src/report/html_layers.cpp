// SPDX-License-Identifier: Apache-2.0
// Relative error of each linear, as quantization recorded it: |W' - W|^2 / |W|^2, and the same of
// W x on the calibration inputs where the quantizer had their second moments.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "report/study_page.hpp"

namespace hb {
namespace {

using Error = double LayerView::*;

std::vector<std::string> linears_of(const CellView& cell) {
    std::vector<std::string> names;
    for (const LayerView& layer : cell.layers)
        if (std::find(names.begin(), names.end(), layer.linear) == names.end())
            names.push_back(layer.linear);
    return names;
}

std::string short_name(const std::string& linear) {
    return linear.ends_with("_proj") ? linear.substr(0, linear.size() - 5) : linear;
}

double mean_of(const CellView& cell, Error error, const std::string& linear) {
    double sum = 0, count = 0;
    for (const LayerView& layer : cell.layers)
        if (layer.linear == linear) sum += layer.*error, count += 1;
    return count > 0 ? sum / count : 0;
}

std::string error_text(double error) {
    return error > 0 && error < 1e-4 ? fmt::format("{:.1e}", error) : shown(error, 5);
}

Line line_of(const CellView& cell, Error error, int series) {
    std::map<std::int64_t, std::pair<double, double>> sums;  // sum, count
    for (const LayerView& layer : cell.layers) {
        sums[layer.layer].first += layer.*error;
        sums[layer.layer].second += 1;
    }
    Line line{cell.scheme, series, series >= kSeriesColours, {}};
    for (const auto& [layer, sum] : sums)
        line.points.emplace_back(static_cast<double>(layer), sum.first / sum.second);
    return line;
}

std::string by_layer(const std::vector<const CellView*>& cells, Error error,
                     const std::string& caption, const std::string& name) {
    LineChart chart{caption, {"layer"}, {}, {}};
    std::vector<double> layers, values;
    std::vector<LegendEntry> legend;
    for (const CellView* cell : cells) {
        const int series = static_cast<int>(chart.lines.size());
        Line line = line_of(*cell, error, series);
        const auto same = std::find_if(chart.lines.begin(), chart.lines.end(),
                                       [&](const Line& one) { return one.points == line.points; });
        if (same != chart.lines.end()) {
            same->name += ", " + line.name;
            continue;
        }
        chart.lines.push_back(std::move(line));
        for (const auto& [layer, value] : chart.lines.back().points) {
            layers.push_back(layer);
            values.push_back(value);
        }
    }
    if (values.empty()) return "";
    for (const Line& line : chart.lines)
        legend.push_back({line.name, line.series, line.dashed ? Swatch::dashed : Swatch::line});
    chart.x.low = 0;
    chart.x.high = std::max(*std::max_element(layers.begin(), layers.end()), 1.0);
    chart.y = axis_for(name, values, true);
    return html_figure(caption, html_legend(legend) + draw_lines(chart));
}

std::string by_site(const std::vector<const CellView*>& cells, Error error,
                    const std::string& caption) {
    HtmlTable table{caption, {"scheme", "recipe"}, {}, 2};
    const auto linears = linears_of(*cells.front());
    for (const std::string& linear : linears) table.head.push_back(short_name(linear));
    for (const CellView* cell : cells) {
        table.rows.push_back({cell->scheme, cell->recipe});
        for (const std::string& linear : linears)
            table.rows.back().push_back(error_text(mean_of(*cell, error, linear)));
    }
    return html_table(table);
}

std::string heat_maps(const std::vector<const CellView*>& cells) {
    // The lowest twentieth has one colour, so that a few dead inputs do not take all the others.
    std::vector<double> errors;
    for (const CellView* cell : cells)
        for (const LayerView& layer : cell->layers)
            if (layer.output_error > 0) errors.push_back(layer.output_error);
    std::sort(errors.begin(), errors.end());
    const double low = errors[errors.size() / 20], high = errors.back();
    std::string maps;
    for (const CellView* cell : cells) {
        HeatMap map{"output error of every linear, " + cell->title(), {}, {}, {}, low, high};
        const auto linears = linears_of(*cell);
        for (const std::string& linear : linears) map.columns.push_back(short_name(linear));
        for (const LayerView& layer : cell->layers) {
            if (layer.linear == linears.front()) map.rows.push_back(fmt::format("{}", layer.layer));
        }
        map.values.assign(map.rows.size() * linears.size(), 0);
        std::map<std::pair<std::string, std::string>, double> values;
        for (const LayerView& layer : cell->layers)
            values[{fmt::format("{}", layer.layer), layer.linear}] = layer.output_error;
        for (std::size_t r = 0; r < map.rows.size(); ++r)
            for (std::size_t c = 0; c < linears.size(); ++c)
                map.values[r * linears.size() + c] = values[{map.rows[r], linears[c]}];
        maps += html_figure(cell->title(), draw_heat(map));
    }
    return html_grid(maps);
}

// Of the cells of one recipe those up to 6 bits, beside which others are flat; or all.
std::vector<const CellView*> shown_in_charts(const std::vector<const CellView*>& cells,
                                             const std::string& recipe) {
    std::vector<const CellView*> narrow, all;
    for (const CellView* cell : cells) {
        if (cell->recipe != recipe) continue;
        all.push_back(cell);
        if (cell->bits <= 6) narrow.push_back(cell);
    }
    return narrow.empty() ? all : narrow;
}

}  // namespace

std::string section_layers(const StudyView& study) {
    std::vector<const CellView*> measured, others, last, first;
    for (const CellView& cell : study.cells)
        if (!cell.layers.empty()) (cell.calibrated() ? measured : others).push_back(&cell);
    if (!measured.empty()) last = shown_in_charts(measured, measured.back()->recipe);
    if (!others.empty()) first = shown_in_charts(others, others.front()->recipe);
    if (measured.empty() && others.empty()) return "";
    std::string body = html_paragraph(
        "Weight error is |W' - W|² / |W|². Output error is the same of W x on the calibration "
        "inputs, known where the quantizer had their second moments; it is of the weights alone, "
        "as the inputs there are not rounded yet. Where there are cells of up to 6 bits, the "
        "charts show these alone.");
    std::string charts;
    if (!last.empty())
        charts += by_layer(last, &LayerView::output_error,
                           "Output error by layer, mean of its linears, " + last[0]->recipe,
                           "output error");
    if (!first.empty())
        charts += by_layer(first, &LayerView::weight_error,
                           "Weight error by layer, mean of its linears, " + first[0]->recipe,
                           "weight error");
    body += html_grid(charts);
    if (!measured.empty())
        body += by_site(measured, &LayerView::output_error,
                        "Output error by kind of linear, mean over the layers");
    std::vector<const CellView*> all = measured;
    all.insert(all.end(), others.begin(), others.end());
    body += html_details("Weight error by kind of linear",
                         by_site(all, &LayerView::weight_error,
                                 "Weight error by kind of linear, mean over the layers"));
    if (!last.empty())
        body += html_details("Output error of every linear, in thousandths, " + last[0]->recipe,
                             heat_maps(last));
    return body;
}

}  // namespace hb
