// SPDX-License-Identifier: Apache-2.0
// Lines over a common axis. Each of their points can be hovered, though it is not drawn.
#include "report/svg_frame.hpp"

namespace hb {

std::string draw_lines(const LineChart& chart) {
    const Frame f = make_frame(chart.x, chart.y, chart.height);
    std::string out = open_svg(chart.about, chart.height) + draw_axes(f);
    for (const Line& line : chart.lines) {
        std::string path;
        for (const auto& [x, y] : line.points)
            path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", f.x_of(x), f.y_of(y));
        out += fmt::format("<path class=\"line s{}{}\" d=\"{}\"/>\n", line.series % kSeriesColours,
                           line.dashed ? " dashed" : "", path);
    }
    for (const Line& line : chart.lines)
        for (const auto& [x, y] : line.points)
            out += fmt::format(
                "<circle class=\"spot\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\"><title>{}, {} {}: "
                "{:.4g}</title></circle>\n",
                f.x_of(x), f.y_of(y), escaped(line.name), escaped(chart.x.title), short_number(x),
                y);
    return out + "</svg>\n";
}

}  // namespace hb
