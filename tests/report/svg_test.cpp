// SPDX-License-Identifier: Apache-2.0
// Laws of the charts: XML, whatever the data; a number for every mark; marks inside the picture,
// and where their numbers say.
#include "report/svg.hpp"

#include <gmock/gmock.h>

#include <cmath>

#include "xml_check.hpp"

namespace hb {
namespace {

using test::parse_xml;
using test::XmlElement;

constexpr const char* kOdd = "a<b> & \"c\" \x01 é";

PointChart points_of(const std::vector<std::pair<double, double>>& at) {
    std::vector<double> x, y;
    PointChart chart{kOdd, {}, {}, {}};
    for (const auto& [a, b] : at) {
        x.push_back(a);
        y.push_back(b);
        chart.line.push_back(chart.marks.size());
        chart.marks.push_back({a, b, static_cast<int>(x.size()), x.size() % 2 == 0, kOdd, kOdd});
    }
    chart.x = axis_for(kOdd, x, true);
    chart.y = axis_for(kOdd, y, true);
    return chart;
}

std::vector<std::vector<std::pair<double, double>>> odd_data() {
    return {{},
            {{4.5, 0.2}},
            {{4.5, 0.2}, {4.5, 0.2}, {4.5, 0.2}},
            {{0, 0}, {-3, -1}},
            {{1e-9, 1e12}, {1e9, 1e-12}},
            {{4.25, 0.5}, {4.5, 0.3}, {8, 0.001}}};
}

std::string every_chart(const std::vector<std::pair<double, double>>& at) {
    const PointChart points = points_of(at);
    LineChart lines{kOdd, points.x, points.y, {{kOdd, 1, true, at}}};
    BarChart bars{kOdd, {}};
    HeatMap heat{kOdd, {}, {kOdd, "b"}, {}, 1e-3, 1};
    for (const auto& [x, y] : at) {
        bars.bars.push_back({kOdd, {{x, 0, kOdd}, {y, 9, kOdd}}, kOdd});
        heat.rows.push_back(kOdd);
        heat.values.insert(heat.values.end(), {x, y});
    }
    return "<all>" + draw_points(points) + draw_lines(lines) + draw_bars(bars) +
           draw_columns({kOdd, points.x, points.y, points.marks}) + draw_heat(heat) + "</all>";
}

TEST(Svg, EveryChartIsXmlWhateverTheData) {
    for (const auto& data : odd_data()) {
        const std::string text = every_chart(data);
        const XmlElement all = parse_xml(text);
        EXPECT_EQ(all.children.size(), 5u);
        EXPECT_EQ(text.find("nan"), std::string::npos);
        EXPECT_EQ(text.find("inf"), std::string::npos);
        for (const XmlElement& svg : all.children) {
            EXPECT_EQ(svg.attributes.at("role"), "img");
            EXPECT_EQ(svg.attributes.at("aria-label"), "a<b> & \"c\"   é");
        }
        EXPECT_EQ(text, every_chart(data));
    }
}

TEST(Svg, EveryMarkHasItsNumber) {
    const XmlElement svg = parse_xml(draw_points(points_of({{4, 1}, {5, 2}, {6, 4}})));
    EXPECT_EQ(svg.all("title").size(), 3u);
    const XmlElement lines =
        parse_xml(draw_lines({"", {"layer", 0, 2}, {"y", 0, 1}, {{"a", 0, false, {{1, 0.25}}}}}));
    ASSERT_EQ(lines.all("title").size(), 1u);
    EXPECT_EQ(lines.all("title")[0]->text, "a, layer 1: 0.25");
}

// Doubling steps on a logarithmic axis are equal steps of the picture.
TEST(Svg, ALogarithmicAxisIsOne) {
    LineChart chart{"", {"x", 0, 10}, {"y", 1, 16, true}, {{"a", 0, false, {}}}};
    for (int i = 0; i <= 4; ++i) chart.lines[0].points.emplace_back(i, std::exp2(i));
    const XmlElement svg = parse_xml(draw_lines(chart));
    std::vector<double> y;
    for (const XmlElement* spot : svg.all("circle"))
        y.push_back(std::stod(spot->attributes.at("cy")));
    ASSERT_EQ(y.size(), 5u);
    for (std::size_t i = 2; i < y.size(); ++i)
        EXPECT_NEAR(y[i] - y[i - 1], y[1] - y[0], 0.21);  // coordinates have one decimal
    EXPECT_LT(y[1], y[0]);
}

TEST(Svg, BarsAreAsLongAsTheirNumbers) {
    const XmlElement svg = parse_xml(
        draw_bars({"", {{"a", {{1, 0, ""}, {2, 1, ""}}, "3"}, {"b", {{6, 0, ""}}, "6"}}}));
    std::vector<double> widths;
    for (const XmlElement* bar : svg.all("rect"))
        widths.push_back(std::stod(bar->attributes.at("width")));
    ASSERT_EQ(widths.size(), 3u);
    EXPECT_NEAR(widths[1], 2 * widths[0], 0.2);
    EXPECT_NEAR(widths[2], 6 * widths[0], 0.4);
}

TEST(Svg, LabelsCoverNeitherMarksNorEachOther) {
    PointChart chart{"", {"x", 0, 10}, {"y", 0, 10}, {}};
    for (int i = 0; i < 30; ++i) chart.marks.push_back({5, 5 + 0.01 * i, i, false, "label", "tip"});
    const XmlElement svg = parse_xml(draw_points(chart));
    std::vector<std::pair<double, double>> at;
    for (const XmlElement* text : svg.all("text"))
        if (text->attributes.at("class") == "label")
            at.emplace_back(std::stod(text->attributes.at("x")),
                            std::stod(text->attributes.at("y")));
    EXPECT_GT(at.size(), 1u);
    EXPECT_LT(at.size(), 12u);
    for (std::size_t i = 0; i < at.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            EXPECT_TRUE(std::abs(at[i].first - at[j].first) > 28 ||
                        std::abs(at[i].second - at[j].second) > 10)
                << i << " " << j;
}

TEST(Svg, AHeatMapSaysItsNumbersAndLeavesOutNone) {
    const XmlElement svg =
        parse_xml(draw_heat({"", {"0", "1"}, {"q", "k"}, {0.01, 0.02, 0, 1}, 0.01, 1}));
    std::vector<std::string> cells;
    for (const XmlElement* text : svg.all("text"))
        if (text->attributes.at("class").starts_with("cell")) cells.push_back(text->text);
    EXPECT_THAT(cells, ::testing::ElementsAre("10.0", "20.0", "1000"));
    EXPECT_EQ(svg.all("rect")[0]->attributes.at("class"), "h0");
    EXPECT_EQ(svg.all("rect")[2]->attributes.at("class"), "h7");
}

}  // namespace
}  // namespace hb
