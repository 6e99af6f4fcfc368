// SPDX-License-Identifier: Apache-2.0
// Where a rotation stops helping: the ratio of the relative MSE with it to the one without, along
// group sizes or along the kurtosis of what is rotated. A ratio within three standard errors of 1
// says nothing; between two neighbours that say opposite things the turn is where the straight line
// through log ratio against the log of the place crosses 0.
#pragma once

#include <string>
#include <vector>

#include "study/formats.hpp"

namespace hb {

struct RatioPoint {
    double at, ratio, standard_error;
};

struct Turn {
    double at;
    bool helps;  // from here on
};

struct Crossover {
    std::string sample;  // empty along kurtosis
    const ScaleChoice* choice = nullptr;
    int group = 0;  // 0 along group sizes
    int rotation = 1;
    std::vector<RatioPoint> points;  // by rising place
    std::string verdict;             // "helps", "even, hurts from 20", "hurts, helps from 6.2"
    std::vector<Turn> turns;
};

std::vector<Turn> find_turns(const std::vector<RatioPoint>& points, std::string& verdict);

// Of one sample's rows.
std::vector<Crossover> crossovers_by_group(const std::vector<FormatRow>& rows);

struct RowsAtKurtosis {
    double kurtosis;
    std::vector<FormatRow> rows;  // the same combinations in the same order at every kurtosis
};
std::vector<Crossover> crossovers_by_kurtosis(const std::vector<RowsAtKurtosis>& studied);

}  // namespace hb
