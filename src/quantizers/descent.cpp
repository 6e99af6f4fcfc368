// SPDX-License-Identifier: Apache-2.0
// A row needs no other: it is worked on by one thread, its G in fp32. Its first G comes from a
// product of a strip of rows.
#include "quantizers/descent.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "quantizers/product.hpp"
#include "quantizers/site.hpp"

namespace hb {
namespace {

constexpr std::int64_t kLanes = 64;
constexpr float kMargin = 1e-3f;  // of a move's own d^2 H_jj; G is exact to far less

struct Row {
    const Scheme& scheme;
    View<const float> h;
    float added;
    float divisor;
    std::uint16_t* scales;
    const std::uint8_t* zeros;                     // or null
    std::vector<std::uint8_t> codes;               // one a weight
    std::vector<float> elements, steps, gradient;  // elements: less the zero point

    std::int64_t group() const { return scheme.group_of(h.cols); }
    float zero(std::int64_t g) const {
        return zeros ? decode_element(scheme.family, zeros[g]) : 0.0f;
    }
};

// G += d e_j H
void push(Row& row, std::int64_t j, float d) {
    const float* h = row.h.row(j);
    float* __restrict g = row.gradient.data();
    for (std::int64_t i = 0; i < row.h.cols; ++i) g[i] = std::fma(d, h[i], g[i]);
    g[j] = std::fma(d, row.added, g[j]);
}

std::int64_t move_codes(Row& row) {
    std::int64_t moves = 0;
    for (std::int64_t j = 0; j < row.h.cols; ++j) {
        const auto at = static_cast<std::size_t>(j);
        const float curvature = row.h(j, j) + row.added, gradient = row.gradient[at];
        if (!(curvature > 0)) continue;
        const std::int64_t g = j / row.group();
        const float step = row.steps[static_cast<std::size_t>(g)], zero = row.zero(g);
        const float wanted = row.elements[at] - gradient / curvature / step;
        const std::uint8_t code = encode_element(row.scheme.family, wanted + zero);
        const float element = decode_element(row.scheme.family, code) - zero;
        const float d = (element - row.elements[at]) * step;
        if (d == 0 || !(d * gradient * 2 + d * d * curvature < -kMargin * (d * d * curvature)))
            continue;
        row.codes[at] = code;
        row.elements[at] = element;
        push(row, j, d);
        ++moves;
    }
    return moves;
}

// A group under another scale: its elements chosen anew, one by one, what that changes f by, and by
// how much of it rounding may be mistaken.
struct Trial {
    std::vector<std::uint8_t> codes;
    std::vector<float> elements, moves;
    double change = 0, square = 0;
};

// Elements start as those nearest to the old values, then each takes its best value in turn.
void try_scale(const Row& row, std::int64_t g, float step, Trial& trial) {
    const std::int64_t size = row.group(), first = g * size;
    const auto count = static_cast<std::size_t>(size), at = static_cast<std::size_t>(first);
    const float old = row.steps[static_cast<std::size_t>(g)], zero = row.zero(g);
    std::vector<float> gradient(row.gradient.begin() + first, row.gradient.begin() + first + size);
    trial.codes.assign(count, 0);
    trial.elements.assign(count, 0);
    trial.moves.assign(count, 0);
    trial.change = trial.square = 0;
    for (const bool start : {true, false}) {
        for (std::size_t j = 0; j < count; ++j) {
            const float* h = row.h.row(first + static_cast<std::int64_t>(j)) + first;
            const float value = row.elements[at + j] * old + trial.moves[j],
                        curvature = h[j] + row.added;
            const float wanted =
                start || !(curvature > 0) ? value : value - gradient[j] / curvature;
            trial.codes[j] = encode_element(row.scheme.family, wanted / step + zero);
            trial.elements[j] = decode_element(row.scheme.family, trial.codes[j]) - zero;
            const float d = trial.elements[j] * step - value;
            trial.moves[j] += d;
            for (std::size_t i = 0; i < count; ++i) gradient[i] = std::fma(d, h[i], gradient[i]);
            gradient[j] = std::fma(d, row.added, gradient[j]);
        }
    }
    for (std::size_t j = 0; j < count; ++j) {
        const double d = static_cast<double>(trial.moves[j]),
                     before = static_cast<double>(row.gradient[at + j]),
                     after = static_cast<double>(gradient[j]);
        trial.change += d * (before + after);  // 2 d G + d H d
        trial.square += d * (after - before);
    }
}

// Scales that a group may move to: neighbours, or for 16-bit scales the best one under the codes.
std::vector<std::uint16_t> other_scales(const Row& row, std::int64_t g) {
    const int bits = row.scales[g];
    const Family family = row.scheme.family;
    std::vector<std::uint16_t> others;
    const auto add = [&](int most, std::initializer_list<int> steps) {
        for (const int by : steps)
            if (bits + by >= 1 && bits + by <= most)
                others.push_back(static_cast<std::uint16_t>(bits + by));
    };
    if (family == Family::mx) add(254, {-1, 1});
    if (family == Family::nv) add(0x7e, {-1, 1, -2, 2});
    if (family != Family::integer && family != Family::zeroed) return others;
    const std::int64_t size = row.group(), first = g * size;
    double slope = 0, curvature = 0;
    for (std::int64_t i = 0; i < size; ++i) {
        const auto at = static_cast<std::size_t>(first + i);
        const double c = static_cast<double>(row.elements[at]);
        double dot = static_cast<double>(row.added) * c;
        for (std::int64_t j = 0; j < size; ++j)
            dot += static_cast<double>(row.h(first + i, first + j)) *
                   static_cast<double>(row.elements[static_cast<std::size_t>(first + j)]);
        slope += c * static_cast<double>(row.gradient[at]);
        curvature += c * dot;
    }
    const double step = static_cast<double>(row.steps[static_cast<std::size_t>(g)]);
    const auto wanted =
        static_cast<float>((step - slope / curvature) * static_cast<double>(row.divisor));
    if (wanted > 0 && std::isfinite(wanted) && float_to_bf16(wanted) != bits)
        others.push_back(float_to_bf16(wanted));
    return others;
}

std::int64_t move_scales(Row& row) {
    std::int64_t moves = 0;
    const std::int64_t size = row.group();
    Trial trial, best;
    for (std::int64_t g = 0; g < std::ssize(row.steps); ++g) {
        std::uint16_t bits = row.scales[g];
        best.change = 0;
        for (const std::uint16_t other : other_scales(row, g)) {
            const float moved = step(row.scheme.family, other, row.divisor);
            if (!(moved > 0) || !std::isfinite(moved)) continue;
            try_scale(row, g, moved, trial);
            if (!(trial.change < -static_cast<double>(kMargin) * trial.square)) continue;
            if (!(trial.change < best.change)) continue;
            std::swap(trial, best);
            bits = other;
        }
        if (bits == row.scales[g]) continue;
        row.scales[g] = bits;
        row.steps[static_cast<std::size_t>(g)] = step(row.scheme.family, bits, row.divisor);
        for (std::int64_t i = 0; i < size; ++i) {
            const auto from = static_cast<std::size_t>(i),
                       to = static_cast<std::size_t>(g * size + i);
            row.codes[to] = best.codes[from];
            row.elements[to] = best.elements[from];
            if (best.moves[from] != 0) push(row, g * size + i, best.moves[from]);
        }
        ++moves;
    }
    return moves;
}

void unpack(const QTensor& q, std::int64_t r, Row& row) {
    const std::uint8_t* bytes = q.codes.row(r);
    row.codes.resize(static_cast<std::size_t>(q.cols));
    row.elements.resize(row.codes.size());
    row.steps.resize(static_cast<std::size_t>(q.scales.bits.cols));
    for (std::size_t g = 0; g < row.steps.size(); ++g)
        row.steps[g] = step(row.scheme.family, row.scales[g], row.divisor);
    for (std::int64_t c = 0; c < q.cols; ++c) {
        const auto at = static_cast<std::size_t>(c);
        row.codes[at] = q.scheme->element_bits() == 8 ? bytes[c] : bytes[c / 2] >> c % 2 * 4 & 15;
        row.elements[at] =
            decode_element(row.scheme.family, row.codes[at]) - row.zero(c / row.group());
    }
}

void pack(const Row& row, std::int64_t r, QTensor& q) {
    std::uint8_t* bytes = q.codes.row(r);
    if (q.scheme->element_bits() == 8) {
        std::copy(row.codes.begin(), row.codes.end(), bytes);
        return;
    }
    for (std::int64_t c = 0; c < q.cols; c += 2) {
        const auto at = static_cast<std::size_t>(c);
        bytes[c / 2] = static_cast<std::uint8_t>(row.codes[at] | row.codes[at + 1] << 4);
    }
}

DescentReport descend_row(Row& row, int rounds) {
    DescentReport report;
    for (int round = 0; round < rounds; ++round) {
        const std::int64_t codes = move_codes(row),
                           scales = row.scheme.by_row() ? 0 : move_scales(row);
        report.codes += codes;
        report.scales += scales;
        if (codes + scales == 0) break;
    }
    return report;
}

}  // namespace

DescentReport descend(View<const float> w, View<const float> hessian, double added, int rounds,
                      QTensor& q, Threads& threads) {
    if (q.rows != w.rows || q.cols != w.cols || hessian.rows != w.cols || hessian.cols != w.cols)
        fail("descent: codes {} x {} of a weight {} x {} under a Hessian {} x {}", q.rows, q.cols,
             w.rows, w.cols, hessian.rows, hessian.cols);
    const auto strips = cut_into_strips(std::span(&w, 1), kLanes);
    std::vector<DescentReport> parts(strips.size());
    threads.loop(std::ssize(strips), [&](std::int64_t s, int) {
        const auto [weight, first, rows] = strips[static_cast<std::size_t>(s)];
        const Matrix<float> rounded = dequantize(middle_rows(q, first, rows));
        Matrix<float> errors(w.cols, kLanes), gradient(w.cols, kLanes);
        for (std::int64_t l = 0; l < rows; ++l)
            for (std::int64_t c = 0; c < w.cols; ++c)
                errors(c, l) = rounded(l, c) - w(first + l, c);
        for (std::int64_t c = 0; c < w.cols; ++c)
            for (std::int64_t l = 0; l < kLanes; ++l)
                gradient(c, l) = static_cast<float>(added) * errors(c, l);
        add_product(1, hessian, errors.view(), gradient.view());
        for (std::int64_t l = 0; l < rows; ++l) {
            const std::int64_t r = first + l;
            Row row{*q.scheme,
                    hessian,
                    static_cast<float>(added),
                    q.scales.divisor,
                    q.scales.bits.row(r),
                    q.scheme->zero_points() ? q.scales.zeros.row(r) : nullptr,
                    {},
                    {},
                    {},
                    {}};
            unpack(q, r, row);
            for (std::int64_t c = 0; c < w.cols; ++c) row.gradient.push_back(gradient(c, l));
            const DescentReport part = descend_row(row, rounds);
            parts[static_cast<std::size_t>(s)].codes += part.codes;
            parts[static_cast<std::size_t>(s)].scales += part.scales;
            pack(row, r, q);
        }
    });
    DescentReport report;
    for (const auto& part : parts) {
        report.codes += part.codes;
        report.scales += part.scales;
    }
    return report;
}

}  // namespace hb
