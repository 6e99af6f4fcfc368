// SPDX-License-Identifier: Apache-2.0
#include "study/formats.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "transforms/transform.hpp"

namespace hb {
namespace {

struct Sums {
    double error = 0, energy = 0, top_error = 0, top_energy = 0, top_relative = 0;
};

void add_group(const float* x, const float* y, int group, Sums& sums) {
    int top = 0;
    for (int i = 0; i < group; ++i) {
        const double value = x[i], d = y[i] - value;
        sums.error += d * d;
        sums.energy += value * value;
        if (std::fabs(x[i]) > std::fabs(x[top])) top = i;
    }
    const double value = x[top], d = y[top] - value;
    sums.top_error += d * d;
    sums.top_energy += value * value;
    sums.top_relative += value == 0 ? 0 : std::fabs(d / value);
}

// Rotated, and every row multiplied by its factor of the sample.
std::vector<Matrix<float>> rotated(const Sample& sample, int rotation, double& kurtosis_of_all) {
    std::vector<Matrix<float>> tensors = sample.tensors;
    kurtosis_of_all = 0;
    for (Matrix<float>& x : tensors) {
        if (rotation > 1)
            apply(parse_transform(fmt::format("hadamard:{}", rotation), x.cols, 0), x.view());
        kurtosis_of_all += kurtosis(x.view()) / static_cast<double>(tensors.size());
        if (!sample.spread) continue;
        for (std::int64_t r = 0; r < x.rows; ++r) {
            for (std::int64_t c = 0; c < x.cols; ++c) x(r, c) *= spread_factor(r);
        }
    }
    return tensors;
}

Loss mean_loss(const std::vector<Matrix<float>>& tensors, const ScaleChoice& choice, int group,
               Threads& threads) {
    Loss mean;
    double variance = 0;
    const auto count = static_cast<double>(tensors.size());
    for (const Matrix<float>& x : tensors) {
        const auto y = round_trip(x.view(), choice, group, threads);
        const Loss loss = measure_loss(x.view(), y.view(), group);
        mean.relative_mse += loss.relative_mse / count;
        mean.top_error += loss.top_error / count;
        mean.top_mse += loss.top_mse / count;
        variance += loss.standard_error * loss.standard_error;
    }
    mean.standard_error = std::sqrt(variance) / count;
    return mean;
}

}  // namespace

Loss measure_loss(View<const float> x, View<const float> y, int group) {
    Sums all;
    std::vector<Sums> rows(static_cast<std::size_t>(x.rows));
    for (std::int64_t r = 0; r < x.rows; ++r) {
        Sums& row = rows[static_cast<std::size_t>(r)];
        for (std::int64_t c = 0; c < x.cols; c += group)
            add_group(x.row(r) + c, y.row(r) + c, group, row);
        all.error += row.error;
        all.energy += row.energy;
        all.top_error += row.top_error;
        all.top_energy += row.top_energy;
        all.top_relative += row.top_relative;
    }
    if (all.energy == 0) return {};
    Loss loss;
    loss.relative_mse = all.error / all.energy;
    double squares = 0;
    for (const Sums& row : rows) {
        const double d = row.error - loss.relative_mse * row.energy;
        squares += d * d;
    }
    loss.standard_error = std::sqrt(squares) / all.energy;
    loss.top_mse = all.top_error / all.top_energy;
    loss.top_error =
        all.top_relative / (static_cast<double>(x.rows) * static_cast<double>(x.cols / group));
    return loss;
}

std::vector<FormatRow> study_sample(const Sample& sample, const Wanted& wanted, Threads& threads) {
    const auto divides = [&](int size) {
        return std::ranges::all_of(sample.tensors,
                                   [=](const Matrix<float>& x) { return x.cols % size == 0; });
    };
    std::vector<FormatRow> rows;
    for (const int rotation : kStudyRotations) {
        if (!divides(rotation)) continue;
        double kurtosis_after = 0;
        std::vector<Matrix<float>> tensors;
        for (const int group : kStudyGroups) {
            if (!divides(group)) continue;
            for (const ScaleChoice& choice : all_scale_choices()) {
                if (!wanted(choice, group, rotation)) continue;
                if (tensors.empty()) tensors = rotated(sample, rotation, kurtosis_after);
                rows.push_back({sample.name, &choice, group, rotation, kurtosis_after,
                                mean_loss(tensors, choice, group, threads)});
            }
        }
    }
    return rows;
}

}  // namespace hb
