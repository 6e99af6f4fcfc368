// SPDX-License-Identifier: Apache-2.0
// Points with labels and a line through some of them. A label goes to the first place beside its
// mark (right, left, above, below) where it covers neither a mark nor another label; without such a
// place it is left out, as the mark's title says it too.
#include <array>
#include <optional>

#include "report/svg_frame.hpp"

namespace hb {
namespace {

constexpr double kSize = 10.5, kGap = 8, kMark = 5;

struct Box {
    double left, top, right, bottom;
    bool meets(const Box& other) const {
        return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
    }
};

std::optional<Box> free_place(const Frame& f, double x, double y, const std::string& label,
                              const std::vector<Box>& taken) {
    const double width = text_width(label, kSize), half = kSize / 2;
    const std::array<Box, 6> places = {{
        {x + kGap, y - half, x + kGap + width, y + half},
        {x - kGap - width, y - half, x - kGap, y + half},
        {x - width / 2, y - kGap - kSize, x + width / 2, y - kGap},
        {x - width / 2, y + kGap, x + width / 2, y + kGap + kSize},
        {x + kGap, y - half - 7, x + kGap + width, y + half - 7},
        {x + kGap, y - half + 7, x + kGap + width, y + half + 7},
    }};
    for (const Box& place : places) {
        bool free = place.left >= f.left && place.right <= f.right && place.top >= f.top - 4 &&
                    place.bottom <= f.bottom;
        for (const Box& other : taken) free = free && !place.meets(other);
        if (free) return place;
    }
    return std::nullopt;
}

struct Place {
    double x, y;
};
Place place_of(const Frame& f, const Mark& mark) {
    return {f.x_of(mark.x) + mark.aside, f.y_of(mark.y)};
}

// Boxes along the line, so that labels keep off it.
void take_line(const Frame& f, const PointChart& chart, std::vector<Box>& taken) {
    for (std::size_t i = 1; i < chart.line.size(); ++i) {
        const Place from = place_of(f, chart.marks[chart.line[i - 1]]),
                    to = place_of(f, chart.marks[chart.line[i]]);
        for (int step = 0; step <= 40; ++step) {
            const double x = from.x + (to.x - from.x) * step / 40,
                         y = from.y + (to.y - from.y) * step / 40;
            taken.push_back({x - 1, y - 1, x + 1, y + 1});
        }
    }
}

std::string draw_line(const Frame& f, const PointChart& chart) {
    std::string path;
    for (const std::size_t i : chart.line) {
        const Place at = place_of(f, chart.marks[i]);
        path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", at.x, at.y);
    }
    return path.empty() ? "" : fmt::format("<path class=\"pareto\" d=\"{}\"/>\n", path);
}

}  // namespace

std::string draw_points(const PointChart& chart) {
    const Frame f = make_frame(chart.x, chart.y, chart.height);
    std::string out = open_svg(chart.about, chart.height) + draw_axes(f) + draw_line(f, chart);
    std::vector<Box> taken;
    for (const Mark& mark : chart.marks) {
        const auto [x, y] = place_of(f, mark);
        taken.push_back({x - kMark, y - kMark, x + kMark, y + kMark});
        out += draw_mark(x, y, mark.series, mark.hollow, mark.tip);
    }
    take_line(f, chart, taken);
    for (const Mark& mark : chart.marks) {
        if (mark.label.empty()) continue;
        const auto [x, y] = place_of(f, mark);
        const auto place = free_place(f, x, y, mark.label, taken);
        if (!place) continue;
        taken.push_back(*place);
        const bool before = place->right < x;
        out += fmt::format("<text class=\"label{}\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
                           before ? " end" : "", before ? place->right : place->left,
                           place->bottom - 1.5, escaped(mark.label));
    }
    return out + "</svg>\n";
}

}  // namespace hb
