// SPDX-License-Identifier: Apache-2.0
#include "report/svg_frame.hpp"

#include <algorithm>
#include <cmath>

namespace hb {
namespace {

double place(const Axis& axis, double value) {
    if (axis.log)
        return (std::log(std::max(value, axis.low)) - std::log(axis.low)) /
               (std::log(axis.high) - std::log(axis.low));
    return (value - axis.low) / (axis.high - axis.low);
}

std::vector<double> even_ticks(const Axis& axis) {
    const double rough = (axis.high - axis.low) / 5,
                 power = std::pow(10, std::floor(std::log10(rough)));
    double step = power;
    for (const double factor : {2.0, 5.0, 10.0})
        if (step < rough) step = factor * power;
    std::vector<double> ticks;
    for (double n = std::ceil(axis.low / step - 1e-9); n * step <= axis.high + 1e-9 * step; ++n)
        ticks.push_back(n * step + 0.0);
    return ticks;
}

// 1, 2 and 5 of each power of ten, or the powers alone when there are many.
std::vector<double> log_ticks(const Axis& axis) {
    const int first = static_cast<int>(std::floor(std::log10(axis.low))),
              last = static_cast<int>(std::ceil(std::log10(axis.high)));
    const int every = std::max(1, (last - first) / 6);
    std::vector<double> ticks;
    for (int power = first; power <= last; ++power)
        for (const double factor : {1.0, 2.0, 5.0}) {
            const double tick = factor * std::pow(10, power);
            const bool wanted =
                last - first <= 3 || (factor == 1.0 && (power - first) % every == 0);
            if (wanted && tick >= axis.low * 0.999 && tick <= axis.high * 1.001)
                ticks.push_back(tick);
        }
    return ticks.size() < 2 ? even_ticks(axis) : ticks;
}

std::vector<double> ticks_of(const Axis& axis) {
    if (!axis.ticks.empty()) return axis.ticks;
    return axis.log ? log_ticks(axis) : even_ticks(axis);
}

}  // namespace

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '&')
            out += "&amp;";
        else if (c == '"')
            out += "&quot;";
        else if (byte >= 0x20 || c == '\n' || c == '\t')
            out += c;
        else
            out += ' ';
    }
    return out;
}

std::string short_number(double value) {
    const double size = std::abs(value);
    if (size >= 1e9) return fmt::format("{:.0e}", value);
    if (size >= 1e6) return fmt::format("{:.3g}M", value / 1e6);
    if (size >= 1e4) return fmt::format("{:.3g}k", value / 1e3);
    return fmt::format("{:.4g}", value);
}

double text_width(std::string_view text, double size) {
    return 0.61 * size * static_cast<double>(text.size());
}

Axis axis_for(std::string title, const std::vector<double>& values, bool log) {
    Axis axis{std::move(title), 0, 1, false, {}};
    if (values.empty()) return axis;
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    axis.log = log && *low > 0;
    if (axis.log) {
        const double room = std::max(std::pow(*high / *low, 0.05), 1.1);
        axis.low = *low / room;
        axis.high = *high * room;
        return axis;
    }
    const double room = *high > *low ? 0.05 * (*high - *low) : std::max(std::abs(*high), 1.0) * 0.1;
    axis.low = *low >= 0 && *low < 0.5 * *high ? 0 : *low - room;
    axis.high = *high + room;
    return axis;
}

double Frame::x_of(double value) const {
    return left + (right - left) * std::clamp(place(x, value), 0.0, 1.0);
}

double Frame::y_of(double value) const {
    return bottom - (bottom - top) * std::clamp(place(y, value), 0.0, 1.0);
}

std::string open_svg(const std::string& about, double height) {
    return fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">\n",
                       kChartWidth, height, escaped(about));
}

Frame make_frame(const Axis& x, const Axis& y, double height) {
    Frame frame;
    frame.x = x;
    frame.y = y;
    frame.top = y.title.empty() ? 8 : 22;
    frame.bottom = height - (x.title.empty() ? 20 : 36);
    return frame;
}

// The vertical axis has its title above it, where it can be read without turning the head.
std::string draw_axes(const Frame& f) {
    std::string out;
    for (const double tick : ticks_of(f.y)) {
        const double y = f.y_of(tick);
        out += fmt::format(
            "<path class=\"grid\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>"
            "<text class=\"tick end\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
            f.left, y, f.right, f.left - 5, y + 3.5, short_number(tick));
    }
    for (const double tick : ticks_of(f.x)) {
        const double x = f.x_of(tick);
        out += fmt::format(
            "<path class=\"grid\" d=\"M{:.1f} {:.1f}V{:.1f}\"/>"
            "<text class=\"tick mid\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
            x, f.top, f.bottom, x, f.bottom + 14, short_number(tick));
    }
    out += fmt::format("<path class=\"axis\" d=\"M{:.1f} {:.1f}V{:.1f}H{:.1f}\"/>\n", f.left, f.top,
                       f.bottom, f.right);
    if (!f.y.title.empty())
        out += fmt::format("<text class=\"name\" x=\"2\" y=\"12\">{}</text>\n", escaped(f.y.title));
    if (!f.x.title.empty())
        out += fmt::format("<text class=\"name mid\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
                           (f.left + f.right) / 2, f.bottom + 30, escaped(f.x.title));
    return out;
}

// Circle, square, diamond, triangle, triangle upside down, and again, larger.
std::string mark_shape(double x, double y, int series, bool hollow) {
    const int shape = series % 5;
    const double r = series < 5 ? 4.5 : 6;
    std::string path;
    if (shape == 0)
        path = fmt::format("M{:.1f} {:.1f}a{} {} 0 1 0 {} 0a{} {} 0 1 0 -{} 0Z", x - r, y, r, r,
                           2 * r, r, r, 2 * r);
    else if (shape == 1)
        path = fmt::format("M{:.1f} {:.1f}h{:.1f}v{:.1f}h-{:.1f}Z", x - r * 0.9, y - r * 0.9,
                           1.8 * r, 1.8 * r, 1.8 * r);
    else if (shape == 2)
        path =
            fmt::format("M{:.1f} {:.1f}l{:.1f} {:.1f}l-{:.1f} {:.1f}l-{:.1f} -{:.1f}Z", x,
                        y - 1.25 * r, 1.25 * r, 1.25 * r, 1.25 * r, 1.25 * r, 1.25 * r, 1.25 * r);
    else
        path = fmt::format("M{:.1f} {:.1f}l{:.1f} {:.1f}h-{:.1f}Z", x,
                           shape == 3 ? y - r * 1.2 : y + r * 1.2, 1.2 * r,
                           shape == 3 ? 2.2 * r : -2.2 * r, 2.4 * r);
    return fmt::format("class=\"{} s{}\" d=\"{}\"", hollow ? "hollow" : "solid",
                       series % kSeriesColours, path);
}

std::string draw_mark(double x, double y, int series, bool hollow, const std::string& tip) {
    return fmt::format("<path {}><title>{}</title></path>\n", mark_shape(x, y, series, hollow),
                       escaped(tip));
}

}  // namespace hb
