// SPDX-License-Identifier: Apache-2.0
#include "quantizers/group_scales.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "quantizers/round_column.hpp"

namespace hb {
namespace {

constexpr int kLanes = 64;
using Lanes = std::array<float, kLanes>;

// Steps from the rule's scale to its neighbours, in units of the last place; nearest first. Those
// of 16-bit scales are too near to matter.
std::span<const int> neighbours(Family family) {
    static constexpr int kE8m0[] = {-1, 1}, kE4m3[] = {-1, 1, -2, 2};
    if (family == Family::mx) return kE8m0;
    if (family == Family::nv) return kE4m3;
    return {};
}

std::uint16_t moved(Family family, std::uint16_t bits, int by) {
    const int most = family == Family::mx ? 254 : 0x7e;
    return static_cast<std::uint16_t>(std::clamp(bits + by, 1, most));
}

// What the group costs each lane under these steps, solved as the solver will solve it.
void solve_under(const GroupOfStrip& group, Family family, const Lanes& steps, const Lanes& zeros,
                 Matrix<float>& targets, Lanes& cost) {
    const std::int64_t size = group.targets.rows;
    for (std::int64_t j = 0; j < size; ++j)
        std::copy_n(group.targets.row(j), kLanes, targets.row(j));
    cost.fill(0);
    std::uint8_t codes[kLanes];
    for (std::int64_t j = 0; j < size; ++j) {
        float errors[kLanes];
        const float *target = targets.row(j), *weight = group.weights.row(j);
        std::copy_n(weight, kLanes, errors);
        round_column(family, target, steps.data(), zeros.data(), errors, codes, kLanes);
        for (std::size_t l = 0; l < kLanes; ++l) {
            const float d = target[l] - (weight[l] - errors[l]);
            cost[l] = std::fma(group.pivots[j] * d, d, cost[l]);
        }
        for (std::int64_t i = j + 1; i < size; ++i) {
            const float push = group.push(j, i);
            float* __restrict to = targets.row(i);
            for (int l = 0; l < kLanes; ++l) to[l] = std::fma(push, errors[l], to[l]);
        }
    }
}

}  // namespace

void choose_group_scales(const GroupOfStrip& group, const Scheme& scheme, const ScaleRule& rule,
                         float divisor, std::uint16_t* bits, std::uint8_t* zeros) {
    const std::int64_t size = group.targets.rows;
    Lanes steps, offsets, cost, least;
    steps.fill(1);
    offsets.fill(0);
    std::vector<float> x(static_cast<std::size_t>(size));
    for (std::int64_t l = 0; l < group.rows; ++l) {
        const auto lane = static_cast<std::size_t>(l);
        for (std::int64_t j = 0; j < size; ++j)
            x[static_cast<std::size_t>(j)] = group.targets(j, l);
        bits[l] = rule.choose(x.data(), group.pivots, static_cast<int>(size), divisor);
        steps[lane] = step(scheme.family, bits[l], divisor);
        if (!scheme.zero_points()) continue;
        zeros[l] = zero_point(x.data(), static_cast<int>(size), steps[lane]);
        offsets[lane] = decode_element(scheme.family, zeros[l]);
    }
    const auto others = neighbours(scheme.family);
    if (others.empty()) return;
    Matrix<float> targets(size, kLanes);
    solve_under(group, scheme.family, steps, offsets, targets, least);
    std::array<std::uint16_t, kLanes> first;
    std::copy_n(bits, group.rows, first.begin());
    for (const int by : others) {
        for (std::int64_t l = 0; l < group.rows; ++l) {
            const auto lane = static_cast<std::size_t>(l);
            steps[lane] = step(scheme.family, moved(scheme.family, first[lane], by), divisor);
        }
        solve_under(group, scheme.family, steps, offsets, targets, cost);
        for (std::int64_t l = 0; l < group.rows; ++l) {
            const auto lane = static_cast<std::size_t>(l);
            if (!(cost[lane] < least[lane])) continue;
            least[lane] = cost[lane];
            bits[l] = moved(scheme.family, first[lane], by);
        }
    }
}

}  // namespace hb
