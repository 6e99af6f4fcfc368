// SPDX-License-Identifier: Apache-2.0
// Where a group's error has an integral: independent numbers of density f on either side of 0,
// distribution function F of |x|, and a step that depends on the group's largest magnitude a alone.
// a has density n F(a)^(n-1) F'(a), the other n - 1 numbers are those below a, so that
//
//     relative MSE = 1 / (n m2) integral over a of n F'(a) [(n-1) F(a)^(n-2) J + F(a)^(n-1)
//     d(a)^2],
//
// d(x) = x - step(a) round(x / step(a)), J = integral over x < a of d(x)^2 F'(x), m2 = integral of
// x^2 F'(x). The top MSE is the part of d(a)^2 over that of a^2. Where the scale depends on the
// unit, all sums are means over units 2^u, 0 <= u < 1, weighted by 4^u. Integrals are sums at
// midpoints in fp64. A sample may be off by four standard errors, the top MSE by 4 % (65536 tops or
// 8192, whose relative squares vary by about their mean: 4 / sqrt(8192) = .04 at the most).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "study/formats.hpp"

namespace hb {
namespace {

using Function = std::function<double(double)>;

struct Density {
    const char* name;
    Function density, cumulative;  // of |x|
    double second_moment, end;     // beyond `end` there is nothing worth counting
};

const Density kDensities[] = {
    {"normal", [](double x) { return std::sqrt(2 / std::numbers::pi) * std::exp(-x * x / 2); },
     [](double x) { return std::erf(x / std::numbers::sqrt2); }, 1, 9},
    {"laplace", [](double x) { return std::exp(-x); }, [](double x) { return 1 - std::exp(-x); }, 2,
     25},
};

double to_e2m1(double x) {  // nearest, of positive numbers; ties have no weight here
    constexpr double values[] = {0, .5, 1, 1.5, 2, 3, 4, 6};
    double best = 0;
    for (const double value : values)
        if (std::fabs(x - value) < std::fabs(x - best)) best = value;
    return best;
}

Loss exact(const Density& f, int n, const Function& step, int units) {
    constexpr int kPlaces = 600;
    double error = 0, energy = 0, top_error = 0, top_energy = 0;
    for (int u = 0; u < units; ++u) {
        const double unit = std::exp2((u + .5) / units), weight = unit * unit;
        energy += weight * n * f.second_moment;
        for (int i = 0; i < kPlaces; ++i) {
            const double a = f.end * (i + .5) / kPlaces, s = step(a * unit) / unit;
            const auto square = [=](double x) { return std::pow(x - s * to_e2m1(x / s), 2); };
            double below = 0;  // J(a, a)
            for (int k = 0; k < kPlaces; ++k) {
                const double x = a * (k + .5) / kPlaces;
                below += square(x) * f.density(x) * a / kPlaces;
            }
            const double density = weight * n * f.density(a) * f.end / kPlaces;
            const double top = density * std::pow(f.cumulative(a), n - 1);
            error += density * (n - 1) * std::pow(f.cumulative(a), n - 2) * below + top * square(a);
            top_error += top * square(a);
            top_energy += top * a * a;
        }
    }
    return {error / energy, 0, 0, top_error / top_energy};
}

double power(double a, double above) {  // 2^floor(log2 a) / 4, one up from mantissa `above`
    const double e = std::floor(std::log2(a));
    return std::exp2(e - 2 + (a / std::exp2(e) > above));
}

struct Case {
    const char *scale, *rule;
    Function step;
    int units;
};

const Case kCases[] = {
    {"fp32", "absmax", [](double a) { return a / 6; }, 1},
    {"e8m0", "ocp", [](double a) { return power(a, 2); }, 24},
    {"e8m0", "ct-round", [](double a) { return power(a, 1.75); }, 24},
    {"e8m0", "ceil7.25", [](double a) { return power(a, 1.8125); }, 24},
    {"e8m0", "rceil", [](double a) { return power(a, 1.5); }, 24},
    {"e8m0", "fp-quant", [](double a) { return power(a, 2) * 4 / 3; }, 24},
};

TEST(Exact, IntegralsAgreeWithSamples) {
    Threads threads(2);
    for (const Density& f : kDensities) {
        const auto distribution =
            std::ranges::find(all_distributions(), std::string_view(f.name), &Distribution::name);
        const auto sample = draw_sample(*distribution, 1 << 19, 7, threads);
        const auto rows = study_sample(
            sample,
            [](const ScaleChoice& choice, int group, int rotation) {
                return rotation == 1 && (group == 8 || group == 64) &&
                       std::ranges::any_of(kCases, [&](const Case& c) {
                           return choice.element == "e2m1" && choice.scale == c.scale &&
                                  choice.rule == c.rule;
                       });
            },
            threads);
        EXPECT_EQ(rows.size(), 2 * std::size(kCases));
        for (const FormatRow& row : rows) {
            const auto& c = *std::ranges::find_if(kCases, [&](const Case& other) {
                return row.choice->scale == other.scale && row.choice->rule == other.rule;
            });
            const Loss expected = exact(f, row.group, c.step, c.units);
            EXPECT_NEAR(row.loss.relative_mse, expected.relative_mse, 4 * row.loss.standard_error)
                << f.name << " " << c.scale << " " << c.rule << " " << row.group;
            EXPECT_NEAR(row.loss.top_mse, expected.top_mse, .04 * expected.top_mse + 1e-9)
                << f.name << " " << c.scale << " " << c.rule << " " << row.group;
        }
    }
}

TEST(Exact, AStepOfASixthKeepsTheLargestElement) {
    Threads threads(1);
    const auto sample = draw_sample(all_distributions()[0], 1 << 14, 3, threads);
    const auto& x = sample.tensors.front();
    const auto& choice = find_scale_choice("fp32", "absmax");
    const auto y = round_trip(x.view(), choice, 32, threads);
    EXPECT_LT(measure_loss(x.view(), y.view(), 32).top_error, 1e-6);
}

}  // namespace
}  // namespace hb
