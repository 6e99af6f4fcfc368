// SPDX-License-Identifier: Apache-2.0
// Charts as text: plain data in, one <svg> out. A chart is 380 units wide, so that its letters can
// be read on a phone, where it fills the screen. Colours and fonts are classes of the page's style
// sheet (html_page.cpp): s0..s7 are series, h0..h7 the steps of a heat map. Every mark has its
// number as a <title>, which is shown on hover. The same data give the same bytes.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hb {

inline constexpr double kChartWidth = 380;
inline constexpr int kSeriesColours = 8;
inline constexpr int kNeutral = 15;  // a grey circle

std::string escaped(std::string_view text);  // for XML, in text and in attributes
// The class and the path of a mark, as attributes.
std::string mark_shape(double x, double y, int series, bool hollow);

struct Axis {
    std::string title;
    double low = 0, high = 1;
    bool log = false;
    std::vector<double> ticks = {};  // empty: chosen by the range
};
// A range that holds the values with some room; log only when all are positive. Without values: 0
// to 1.
Axis axis_for(std::string title, const std::vector<double>& values, bool log);

struct Mark {
    double x = 0, y = 0;
    int series = 0;  // colour and shape
    bool hollow = false;
    std::string label;  // beside the mark, where there is room; or empty
    std::string tip;
    double aside = 0;  // from x, in units of the picture, where marks would cover each other
};
struct PointChart {
    std::string about;  // for those who cannot see it
    Axis x, y;
    std::vector<Mark> marks;
    std::vector<std::size_t> line = {};  // marks that are joined
    double height = 320;
};
std::string draw_points(const PointChart& chart);

struct Line {
    std::string name;
    int series = 0;
    bool dashed = false;
    std::vector<std::pair<double, double>> points;
};
struct LineChart {
    std::string about;
    Axis x, y;
    std::vector<Line> lines;
    double height = 220;
};
std::string draw_lines(const LineChart& chart);

struct BarPart {
    double value = 0;
    int series = 0;
    std::string tip;
};
struct Bar {
    std::string label;
    std::vector<BarPart> parts;  // end to end
    std::string text;            // behind the bar
};
struct BarChart {
    std::string about;
    std::vector<Bar> bars;
};
std::string draw_bars(const BarChart& chart);

struct ColumnChart {
    std::string about;
    Axis x, y;  // a column stands at x and is 1 wide
    std::vector<Mark> columns;
    double height = 170;
};
std::string draw_columns(const ColumnChart& chart);

struct HeatMap {
    std::string about;
    std::vector<std::string> rows, columns;
    std::vector<double> values;  // row by row; not positive: none; shown in thousandths
    double low = 0, high = 1;    // of the colours, which follow the logarithm
};
std::string draw_heat(const HeatMap& map);

}  // namespace hb
