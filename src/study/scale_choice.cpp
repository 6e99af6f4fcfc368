// SPDX-License-Identifier: Apache-2.0
// Rules of comparison, with A = max |x| of a group:
//     fp32, bf16   absmax  A/6             e8m0   paper-round  4/3 2^round(log2(A/6))
//                  mse     the best of A/6 times .5, .52, ... 1.6
//     e8m0         quest   2^floor(log2(2.92247856/6 s)), s the group's standard deviation
// The product's rules take groups of whole sixteens; a smaller group is filled up with zeros, which
// move neither its largest magnitude nor any sum of errors.
#include "study/scale_choice.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "formats/all.hpp"
#include "schemes/rules.hpp"
#include "schemes/squared_error.hpp"

namespace hb {
namespace {

float in_fp32(float x) {
    return x;
}
float in_bf16(float x) {
    return bf16_to_float(float_to_bf16(x));
}

template <float (*kRound)(float)>
float absmax(const float* x, int group) {
    return kRound(largest_magnitude(x, group) / 6);
}

template <float (*kRound)(float)>
float mse(const float* x, int group) {
    const float a = largest_magnitude(x, group) / 6;
    const auto step = [=](int i) { return kRound(a * (static_cast<float>(25 + i) / 50)); };
    return step(first_least(56, [&](int i) {
        float error = 0;
        for (int k = 0; k < group; ++k) {
            const float d = x[k] / a - E2M1::round(x[k] / step(i)) * (step(i) / a);
            error += d * d;
        }
        return error;
    }));
}

float paper_round(const float* x, int group) {
    const float a = largest_magnitude(x, group);
    return std::exp2(std::round(std::log2(a / 6))) * 4 / 3;
}

float quest(const float* x, int group) {
    double sum = 0, squares = 0;
    for (int i = 0; i < group; ++i) sum += x[i];
    for (int i = 0; i < group; ++i) squares += (x[i] - sum / group) * (x[i] - sum / group);
    const double deviation = std::sqrt(squares / group);
    return static_cast<float>(std::exp2(std::floor(std::log2(deviation * 2.92247856 / 6))));
}

std::vector<ScaleChoice> make_choices() {
    std::vector<ScaleChoice> choices;
    for (const ScaleRule& r : mx_rules())
        if (r.family == Family::mx) choices.push_back({"e2m1", "e8m0", r.name, &r});
    choices.push_back({"e2m1", "e8m0", "paper-round", nullptr, paper_round});
    choices.push_back({"e2m1", "e8m0", "quest", nullptr, quest});
    for (const ScaleRule& r : nv_rules()) choices.push_back({"e2m1", "e4m3", r.name, &r});
    choices.push_back({"e2m1", "fp32", "absmax", nullptr, absmax<in_fp32>});
    choices.push_back({"e2m1", "fp32", "mse", nullptr, mse<in_fp32>});
    choices.push_back({"e2m1", "bf16", "absmax", nullptr, absmax<in_bf16>});
    choices.push_back({"e2m1", "bf16", "mse", nullptr, mse<in_bf16>});
    for (const ScaleRule& r : integer_rules()) choices.push_back({"int4", "bf16", r.name, &r});
    return choices;
}

constexpr std::int64_t kRowsAtOnce = 16;

template <class Rows>
void each_part(std::int64_t rows, Threads& threads, const Rows& body) {  // body(first, count)
    threads.loop((rows + kRowsAtOnce - 1) / kRowsAtOnce, [&](std::int64_t i, int) {
        const std::int64_t first = i * kRowsAtOnce;
        body(first, std::min(kRowsAtOnce, rows - first));
    });
}

void round_by_step(View<const float> x, const ScaleChoice& choice, int group, Threads& threads,
                   Matrix<float>& y) {
    each_part(x.rows, threads, [&](std::int64_t first, std::int64_t count) {
        for (std::int64_t r = first; r < first + count; ++r) {
            for (std::int64_t c = 0; c < x.cols; c += group) {
                const float* from = x.row(r) + c;
                const bool zero = largest_magnitude(from, group) == 0;
                const float step = zero ? 1 : choice.step(from, group);
                for (int i = 0; i < group; ++i) y(r, c + i) = E2M1::round(from[i] / step) * step;
            }
        }
    });
}

// Groups of `group` columns to groups of `wide`, or back: what is new is zero.
Matrix<float> regroup(View<const float> x, int group, int wide) {
    Matrix<float> y(x.rows, x.cols / group * wide);
    for (std::int64_t r = 0; r < x.rows; ++r) {
        for (std::int64_t g = 0; g < x.cols / group; ++g)
            std::copy_n(x.row(r) + g * group, std::min(group, wide), y.row(r) + g * wide);
    }
    return y;
}

void round_by_rule(View<const float> x, const ScaleRule& rule, int group, Threads& threads,
                   Matrix<float>& y) {
    const Scheme scheme{"study", "", rule.family, group, false, rule.name, ""};
    const auto scales = choose_scales({&x, 1}, {}, scheme, rule, threads);
    each_part(x.rows, threads, [&](std::int64_t first, std::int64_t count) {
        const auto part = dequantize(quantize(x.middle_rows(first, count), scheme,
                                              middle_rows(scales.front(), first, count)));
        std::copy(part.values.begin(), part.values.end(), y.row(first));
    });
}

}  // namespace

std::span<const ScaleChoice> all_scale_choices() {
    static const std::vector<ScaleChoice> choices = make_choices();
    return choices;
}

const ScaleChoice& find_scale_choice(std::string_view scale, std::string_view rule) {
    std::string known;
    for (const ScaleChoice& choice : all_scale_choices()) {
        if (choice.scale == scale && choice.rule == rule) return choice;
        known += fmt::format("{}{} {}", known.empty() ? "" : ", ", choice.scale, choice.rule);
    }
    fail("no scale {} with rule '{}'; known are {}", scale, rule, known);
}

Matrix<float> round_trip(View<const float> x, const ScaleChoice& choice, int group,
                         Threads& threads) {
    if (group < 2 || group > kMaxGroup || (group & (group - 1)) != 0 || x.cols % group != 0)
        fail("groups of {} in rows of {}; wanted a power of two up to {} that divides", group,
             x.cols, kMaxGroup);
    const int wide = choice.stored ? std::max(group, 16) : group;
    Matrix<float> y(x.rows, x.cols / group * wide);
    if (!choice.stored) {
        round_by_step(x, choice, group, threads, y);
    } else if (wide == group) {
        round_by_rule(x, *choice.stored, group, threads, y);
    } else {
        round_by_rule(regroup(x, group, wide).view(), *choice.stored, wide, threads, y);
        return regroup(y.view(), wide, group);
    }
    return y;
}

}  // namespace hb
