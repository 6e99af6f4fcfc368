// SPDX-License-Identifier: Apache-2.0
#include "study/crossover.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace hb {
namespace {

const FormatRow* unrotated(const std::vector<FormatRow>& rows, const FormatRow& row) {
    const auto found = std::ranges::find_if(rows, [&](const FormatRow& other) {
        return other.rotation == 1 && other.group == row.group && other.choice == row.choice;
    });
    return found == rows.end() ? nullptr : &*found;
}

RatioPoint ratio_of(double at, const Loss& with, const Loss& without) {
    const double ratio = with.relative_mse / without.relative_mse;
    return {at, ratio,
            ratio * std::hypot(with.standard_error / with.relative_mse,
                               without.standard_error / without.relative_mse)};
}

int side(const RatioPoint& p) {  // 1 helps, -1 hurts, 0 cannot be told
    if (p.ratio < 1 - 3 * p.standard_error) return 1;
    return p.ratio > 1 + 3 * p.standard_error ? -1 : 0;
}

double crossing(const RatioPoint& a, const RatioPoint& b) {
    const double from = std::log(a.ratio), to = std::log(b.ratio);
    return a.at * std::pow(b.at / a.at, from / (from - to));
}

template <class Same>
void add_point(std::vector<Crossover>& all, const Crossover& line, const RatioPoint& point,
               const Same& same) {
    auto found = std::ranges::find_if(all, same);
    if (found == all.end()) found = all.insert(all.end(), line);
    found->points.push_back(point);
}

std::vector<Crossover> judged(std::vector<Crossover> all) {
    for (Crossover& c : all) c.turns = find_turns(c.points, c.verdict);
    return all;
}

}  // namespace

std::vector<Turn> find_turns(const std::vector<RatioPoint>& points, std::string& verdict) {
    std::vector<Turn> turns;
    const RatioPoint* last = nullptr;
    verdict = "even";
    for (const RatioPoint& p : points) {
        if (side(p) == 0) continue;
        const char* word = side(p) > 0 ? "helps" : "hurts";
        if (!last)
            verdict =
                &p == &points.front() ? word : fmt::format("even, {} from {:.3g}", word, p.at);
        if (last && side(*last) != side(p)) {
            turns.push_back({crossing(*last, p), side(p) > 0});
            verdict += fmt::format(", {} from {:.3g}", word, turns.back().at);
        }
        last = &p;
    }
    return turns;
}

std::vector<Crossover> crossovers_by_group(const std::vector<FormatRow>& rows) {
    std::vector<Crossover> all;
    for (const FormatRow& row : rows) {
        const FormatRow* without = unrotated(rows, row);
        if (row.rotation == 1 || !without) continue;
        add_point(all, {row.sample, row.choice, 0, row.rotation, {}, {}, {}},
                  ratio_of(row.group, row.loss, without->loss), [&](const Crossover& c) {
                      return c.choice == row.choice && c.rotation == row.rotation;
                  });
    }
    return judged(std::move(all));
}

std::vector<Crossover> crossovers_by_kurtosis(const std::vector<RowsAtKurtosis>& studied) {
    std::vector<Crossover> all;
    for (const RowsAtKurtosis& at : studied) {
        for (const FormatRow& row : at.rows) {
            const FormatRow* without = unrotated(at.rows, row);
            if (row.rotation == 1 || !without) continue;
            add_point(all, {{}, row.choice, row.group, row.rotation, {}, {}, {}},
                      ratio_of(at.kurtosis, row.loss, without->loss), [&](const Crossover& c) {
                          return c.choice == row.choice && c.rotation == row.rotation &&
                                 c.group == row.group;
                      });
        }
    }
    return judged(std::move(all));
}

}  // namespace hb
