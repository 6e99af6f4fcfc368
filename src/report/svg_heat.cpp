// SPDX-License-Identifier: Apache-2.0
// A heat map whose cells say their numbers, in thousandths. Eight steps of colour, even in the
// logarithm.
#include <algorithm>
#include <cmath>

#include "report/svg_frame.hpp"

namespace hb {
namespace {

constexpr int kSteps = 8;
constexpr double kRow = 17, kHead = 22, kLeft = 30;

int step_of(const HeatMap& map, double value) {
    if (!(map.high > map.low) || !(map.low > 0)) return 0;
    const double at = std::log(value / map.low) / std::log(map.high / map.low);
    return std::clamp(static_cast<int>(at * kSteps), 0, kSteps - 1);
}

// In thousandths, three digits.
std::string cell_text(double value) {
    const double thousandths = 1000 * value;
    return fmt::format("{:.{}f}", thousandths, thousandths < 10 ? 2 : thousandths < 100 ? 1 : 0);
}

}  // namespace

std::string draw_heat(const HeatMap& map) {
    const auto columns = std::ssize(map.columns);
    const double width =
        (kChartWidth - kLeft) / static_cast<double>(std::max<std::ptrdiff_t>(1, columns));
    std::string out = open_svg(map.about, kHead + kRow * static_cast<double>(map.rows.size()));
    for (std::ptrdiff_t c = 0; c < columns; ++c)
        out += fmt::format("<text class=\"tick mid\" x=\"{:.1f}\" y=\"14\">{}</text>\n",
                           kLeft + width * (static_cast<double>(c) + 0.5),
                           escaped(map.columns[static_cast<std::size_t>(c)]));
    for (std::size_t r = 0; r < map.rows.size(); ++r) {
        const double top = kHead + kRow * static_cast<double>(r);
        out += fmt::format("<text class=\"tick end\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
                           kLeft - 5, top + 12, escaped(map.rows[r]));
        for (std::ptrdiff_t c = 0; c < columns; ++c) {
            const double value = map.values[r * map.columns.size() + static_cast<std::size_t>(c)];
            if (!(value > 0)) continue;
            const int step = step_of(map, value);
            const double left = kLeft + width * static_cast<double>(c);
            out += fmt::format(
                "<g><title>{} {}: {:.4g}</title><rect class=\"h{}\" x=\"{:.1f}\" y=\"{:.1f}\" "
                "width=\"{:.1f}\" height=\"{:.0f}\"/><text class=\"cell {}\" x=\"{:.1f}\" "
                "y=\"{:.1f}\">{}</text></g>\n",
                escaped(map.rows[r]), escaped(map.columns[static_cast<std::size_t>(c)]), value,
                step, left, top, width - 1, kRow - 1, step < 5 ? "weak" : "strong",
                left + (width - 1) / 2, top + 12, cell_text(value));
        }
    }
    return out + "</svg>\n";
}

}  // namespace hb
