// SPDX-License-Identifier: Apache-2.0
// Bars from left to right, each of parts end to end, with its name before and its number behind it;
// and columns over a common axis.
#include <algorithm>

#include "report/svg_frame.hpp"

namespace hb {
namespace {

constexpr double kRow = 20, kSize = 11;

double sum_of(const Bar& bar) {
    double sum = 0;
    for (const BarPart& part : bar.parts) sum += std::max(part.value, 0.0);
    return sum;
}

std::string draw_bar(const Bar& bar, double left, double top, double scale) {
    std::string out = fmt::format("<text class=\"label end\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
                                  left - 5, top + 14, escaped(bar.label));
    double x = left;
    for (const BarPart& part : bar.parts) {
        const double width = std::max(part.value, 0.0) * scale;
        out += fmt::format(
            "<rect class=\"bar s{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"14\">"
            "<title>{}</title></rect>\n",
            part.series % kSeriesColours, x, top + 3, std::max(width, 0.5), escaped(part.tip));
        x += width;
    }
    return out + fmt::format("<text class=\"label\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", x + 4,
                             top + 14, escaped(bar.text));
}

}  // namespace

std::string draw_bars(const BarChart& chart) {
    double before = 0, behind = 0, longest = 0;
    for (const Bar& bar : chart.bars) {
        before = std::max(before, text_width(bar.label, kSize));
        behind = std::max(behind, text_width(bar.text, kSize));
        longest = std::max(longest, sum_of(bar));
    }
    const double left = before + 8, room = std::max(kChartWidth - left - behind - 8, 40.0);
    std::string out = open_svg(chart.about, kRow * static_cast<double>(chart.bars.size()) + 4);
    double top = 2;
    for (const Bar& bar : chart.bars) {
        out += draw_bar(bar, left, top, longest > 0 ? room / longest : 0);
        top += kRow;
    }
    return out + "</svg>\n";
}

std::string draw_columns(const ColumnChart& chart) {
    const Frame f = make_frame(chart.x, chart.y, chart.height);
    std::string out = open_svg(chart.about, chart.height) + draw_axes(f);
    for (const Mark& column : chart.columns) {
        const double left = f.x_of(column.x - 0.45), right = f.x_of(column.x + 0.45),
                     top = f.y_of(column.y);
        out += fmt::format(
            "<rect class=\"bar s{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
            "height=\"{:.1f}\"><title>{}</title></rect>\n",
            column.series % kSeriesColours, left, top, right - left, f.bottom - top,
            escaped(column.tip));
    }
    return out + "</svg>\n";
}

}  // namespace hb
