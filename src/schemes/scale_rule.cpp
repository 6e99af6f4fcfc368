// SPDX-License-Identifier: Apache-2.0
// Scales of whole matrices. A rule with refits alternates two steps on sum h (x - s q / g)^2: given
// g, every group's best scale s; given scales and codes, the best divisor in closed form,
// g = <s q, s q> / <x, s q> over all tensors that share it (<a, b> = sum h a b). It ends on group
// scales, and the best round wins.
#include "schemes/scale_rule.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.hpp"
#include "schemes/element.hpp"
#include "schemes/rules.hpp"
#include "schemes/squared_error.hpp"

namespace hb {

namespace {

// h by group; null where there is none, or the whole group's is zero and says nothing. Such a group
// chooses its scale unweighted, and has no say in the divisor unless none is weighted.
struct Weights {
    std::vector<const float*> groups;
    double otherwise;
};

Weights group_weights(std::span<const float> h, std::int64_t cols, const Scheme& scheme) {
    const std::int64_t group = scheme.group_of(cols);
    Weights weights{std::vector<const float*>(static_cast<std::size_t>(scheme.groups(cols))), 1};
    for (std::size_t i = 0; i < weights.groups.size() && !h.empty(); ++i) {
        const float* first = h.data() + i * static_cast<std::size_t>(group);
        if (largest_magnitude(first, group) == 0) continue;
        weights.groups[i] = first;
        weights.otherwise = 0;
    }
    return weights;
}

void check(View<const float> w, std::span<const float> h, const Scheme& scheme,
           const ScaleRule& rule) {
    if (rule.family != scheme.family)
        fail("scale rule '{}' is not one of {}'s", rule.name, scheme.name);
    if (!scheme.divides(w.cols)) {
        fail("a matrix of {} columns does not divide into {}'s groups of {}", w.cols, scheme.name,
             scheme.group);
    }
    if (!h.empty() && static_cast<std::int64_t>(h.size()) != w.cols) {
        fail("{} column weights for a matrix of {} columns", h.size(), w.cols);
    }
    for (const float weight : h) {
        if (!(weight >= 0 && std::isfinite(weight)))
            fail("a column weight is {}, not 0 or above", weight);
    }
    for (std::int64_t r = 0; r < w.rows; ++r) {
        for (std::int64_t c = 0; c < w.cols; ++c) {
            if (!std::isfinite(w(r, c))) {
                fail("a weight is {} at row {}, column {}; only finite weights can be quantized",
                     w(r, c), r, c);
            }
        }
    }
}

struct Fit {
    double dot = 0, square = 0, energy = 0;  // <x, s q>, <s q, s q>, <x, x>

    double error(double g) const { return energy - 2 * dot / g + square / (g * g); }
    void add(const Fit& other) {
        dot += other.dot;
        square += other.square;
        energy += other.energy;
    }
};

using Tensors = std::span<const View<const float>>;

Fit fit_row(const float* x, const std::uint16_t* bits, const Weights& h, const Scheme& scheme,
            float divisor) {
    Fit fit;  // under a rule with refits, all of which choose scales of groups
    for (std::size_t i = 0; i < h.groups.size(); ++i, x += scheme.group) {
        const float scale = decode_scale(scheme.family, bits[i]), unit = scale / divisor;
        for (int k = 0; k < scheme.group; ++k) {
            const auto code = encode_element(scheme.family, x[k] / unit);
            const double y = static_cast<double>(decode_element(scheme.family, code)) * scale;
            const double weight = h.groups[i] ? h.groups[i][k] : h.otherwise, value = x[k];
            fit.add({weight * value * y, weight * y * y, weight * value * value});
        }
    }
    return fit;
}

Fit fit_all(Tensors tensors, const Weights& h, const Scheme& scheme,
            const std::vector<Scales>& scales, Threads& threads) {
    Fit total;
    for (std::size_t t = 0; t < tensors.size(); ++t) {
        std::vector<Fit> rows(static_cast<std::size_t>(tensors[t].rows));
        threads.loop(tensors[t].rows, [&](std::int64_t r, int) {
            rows[static_cast<std::size_t>(r)] =
                fit_row(tensors[t].row(r), scales[t].bits.row(r), h, scheme, scales[t].divisor);
        });
        for (const Fit& row : rows) total.add(row);
    }
    return total;
}

void choose_all(Tensors tensors, const Weights& h, const Scheme& scheme, const ScaleRule& rule,
                Threads& threads, std::vector<Scales>& scales) {
    for (std::size_t t = 0; t < tensors.size(); ++t) {
        const auto group = static_cast<int>(scheme.group_of(tensors[t].cols));
        Scales& to = scales[t];
        threads.loop(tensors[t].rows, [&](std::int64_t r, int) {
            const float* x = tensors[t].row(r);
            std::uint16_t* bits = to.bits.row(r);
            for (std::size_t i = 0; i < h.groups.size(); ++i, x += group) {
                bits[i] = rule.choose(x, h.groups[i], group, to.divisor);
                if (scheme.zero_points())
                    to.zeros.row(r)[i] =
                        zero_point(x, group, step(scheme.family, bits[i], to.divisor));
            }
        });
    }
}

std::vector<Scales> alternate(Tensors tensors, const Weights& h, const Scheme& scheme,
                              const ScaleRule& rule, Threads& threads, std::vector<Scales> scales) {
    std::vector<Scales> best = scales;
    Fit fit = fit_all(tensors, h, scheme, scales, threads);
    double least = fit.error(scales.front().divisor);
    for (int round = 0; round < rule.refits; ++round) {
        const auto divisor = static_cast<float>(fit.square / fit.dot);
        if (!std::isfinite(divisor) || divisor <= 0) break;  // every product is zero
        for (Scales& s : scales) s.divisor = divisor;
        choose_all(tensors, h, scheme, rule, threads, scales);
        fit = fit_all(tensors, h, scheme, scales, threads);
        if (const double error = fit.error(divisor); error < least) {
            least = error;
            best = scales;
        }
    }
    return best;
}

}  // namespace

std::span<const ScaleRule> all_scale_rules() {
    static const std::vector<ScaleRule> rules = [] {
        std::vector<ScaleRule> all;
        for (const auto table :
             {mx_rules(), nv_rules(), integer_rules(), zeroed_rules(), row_rules()}) {
            all.insert(all.end(), table.begin(), table.end());
        }
        return all;
    }();
    return rules;
}

const ScaleRule& find_scale_rule(std::string_view name, Family family) {
    std::string known;
    for (const ScaleRule& rule : all_scale_rules()) {
        if (rule.family != family) continue;
        if (rule.name == name) return rule;
        known += (known.empty() ? "" : ", ") + std::string(rule.name);
    }
    fail("unknown scale rule '{}'; choose one of: {}", name, known);
}

float largest_magnitude(View<const float> w) {
    float a = 0;
    for (std::int64_t r = 0; r < w.rows; ++r) {
        const float row = largest_magnitude(w.row(r), w.cols);
        a = a < row ? row : a;
    }
    return a;
}

std::vector<Scales> choose_scales(std::span<const View<const float>> tensors,
                                  std::span<const float> h, const Scheme& scheme,
                                  const ScaleRule& rule, Threads& threads) {
    float amax = 0;
    for (const auto& w : tensors) {
        check(w, h, scheme, rule);
        amax = std::max(amax, largest_magnitude(w));
    }
    std::vector<Scales> scales;
    for (const auto& w : tensors) {
        if (w.cols != tensors.front().cols) {
            fail("matrices of {} and {} columns cannot share an input", tensors.front().cols,
                 w.cols);
        }
        scales.push_back(make_scales(scheme, w.rows, w.cols, rule.divisor(amax)));
    }
    if (tensors.empty()) return scales;
    const auto weights = group_weights(h, tensors.front().cols, scheme);
    choose_all(tensors, weights, scheme, rule, threads, scales);
    if (rule.refits > 0)
        return alternate(tensors, weights, scheme, rule, threads, std::move(scales));
    return scales;
}

QTensor quantize_under(View<const float> w, const Scheme& scheme, const ScaleRule& rule,
                       float divisor, Threads& threads) {
    check(w, {}, scheme, rule);
    std::vector<Scales> scales{make_scales(scheme, w.rows, w.cols, divisor)};
    choose_all({&w, 1}, group_weights({}, w.cols, scheme), scheme, rule, threads, scales);
    QTensor q = make_qtensor(scheme, w.rows, w.cols, std::move(scales.front()));
    threads.loop(w.rows, [&](std::int64_t r, int) {
        const QTensor row = quantize(w.middle_rows(r, 1), scheme, middle_rows(q.scales, r, 1));
        std::copy_n(row.codes.row(0), row.codes.cols, q.codes.row(r));
    });
    return q;
}

float quantize_activation(const ActivationQuantizer& q, const float* x, std::int64_t n, float* y) {
    const Family family = q.scheme->family;
    const int group = q.scheme->group;
    if (q.scheme->by_row()) {
        const float scale = q.rule->row_scale(largest_magnitude(x, n));
        with_element(family, [&](auto element) {
            for (std::int64_t i = 0; i < n; ++i) y[i] = decltype(element)::round(x[i] / scale);
        });
        return scale;
    }
    if (n % group != 0)
        fail("{} activations do not divide into {}'s groups of {}", n, q.scheme->name, group);
    for (std::int64_t first = 0; first < n; first += group) {
        const std::uint16_t bits = q.rule->choose(x + first, nullptr, group, q.divisor);
        const float scale = decode_scale(family, bits), unit = scale / q.divisor;
        for (std::int64_t i = first; i < first + group; ++i) {
            y[i] = decode_element(family, encode_element(family, x[i] / unit)) * scale;
        }
    }
    return 1;
}

}  // namespace hb
