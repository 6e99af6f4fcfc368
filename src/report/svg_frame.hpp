// SPDX-License-Identifier: Apache-2.0
// What the charts share: the <svg> element, axes with ticks, the shape of a mark.
#pragma once

#include <fmt/format.h>

#include "report/svg.hpp"

namespace hb {

struct Frame {
    double left = 46, top = 8, right = kChartWidth - 8, bottom = 0;
    Axis x, y;
    double x_of(double value) const;
    double y_of(double value) const;
};

std::string open_svg(const std::string& about, double height);
Frame make_frame(const Axis& x, const Axis& y, double height);
std::string draw_axes(const Frame& frame);
std::string short_number(double value);  // "0.02", "12", "5k", "2M"
std::string draw_mark(double x, double y, int series, bool hollow, const std::string& tip);
double text_width(std::string_view text, double size);  // at most

}  // namespace hb
