// SPDX-License-Identifier: Apache-2.0
// Rows do not touch each other, so the site's weights are cut into strips of kLanes rows, held
// transposed and in solving order: a column of a strip is a few vectors, and a strip is worked on
// by one thread. A short strip is filled up with zero rows, so that a row's bits do not depend on
// its company.
//
// Columns [first, last) are solved by halves: the left half, then one product that adds its errors
// to the right half's targets, then the right half. All but the `block` columns at the leaves is
// matrix products: in^2 flops a row. A target takes its errors in solving order, by fused
// multiply-adds, whatever the block: the codes do not depend on it.
//
// A column keeps the scale of the group it came from, whatever its place in the solving order
// (static activation order, arXiv 2509.23202 section 3).
#include "quantizers/gptq.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/error.hpp"
#include "quantizers/descent.hpp"
#include "quantizers/gptq_factor.hpp"
#include "quantizers/group_scales.hpp"
#include "quantizers/product.hpp"
#include "quantizers/round_column.hpp"
#include "quantizers/site.hpp"

namespace hb {
namespace {

constexpr int kLanes = 64;

// A strip of a weight, and what it is solved with.
struct Solver {
    const GptqFactor& factor;
    const Scheme& scheme;
    const ScaleRule* rule;  // of groups as they are reached; null: the scales stay
    std::int64_t block;
    const Strip& strip;
    Scales& scales;
};

struct Workspace {
    Matrix<float> targets;       // (in, lanes): in solving order
    Matrix<float> weights;       // (in, lanes): the weight; once solved, its error
    Matrix<float> steps, zeros;  // (in / group, lanes)
    Matrix<std::uint8_t> codes;  // (in, lanes): in the matrix's own order
};

void load(View<const float> w, const Scales& scales, const Scheme& scheme, const Strip& strip,
          const std::vector<std::int64_t>& order, Workspace& space) {
    const auto in = std::ssize(order);
    if (space.weights.empty()) {
        space = {Matrix<float>(in, kLanes), Matrix<float>(in, kLanes),
                 Matrix<float>(scheme.groups(in), kLanes), Matrix<float>(scheme.groups(in), kLanes),
                 Matrix<std::uint8_t>(in, kLanes)};
    }
    for (int lane = 0; lane < kLanes; ++lane) {
        const bool filler = lane >= strip.rows;
        const std::int64_t row = strip.first + lane;
        for (std::int64_t i = 0; i < in; ++i) {
            const float x = filler ? 0.0f : w(row, order[static_cast<std::size_t>(i)]);
            space.weights(i, lane) = space.targets(i, lane) = x;
        }
        for (std::int64_t g = 0; g < space.steps.rows; ++g) {
            space.steps(g, lane) =
                filler ? 1.0f : step(scheme.family, scales.bits(row, g), scales.divisor);
            space.zeros(g, lane) = filler || !scheme.zero_points()
                                       ? 0.0f
                                       : decode_element(scheme.family, scales.zeros(row, g));
        }
    }
}

// Of the group whose first column in solving order is `first`.
void choose_scale(const Solver& s, std::int64_t first, Workspace& space) {
    const std::int64_t size = s.scheme.group;
    const std::int64_t g = s.factor.order[static_cast<std::size_t>(first)] / size;
    std::vector<float> pivots(static_cast<std::size_t>(size));
    float mean = 0;
    for (std::int64_t j = 0; j < size; ++j)
        mean += s.factor.pivots[static_cast<std::size_t>(first + j)] / static_cast<float>(size);
    for (std::int64_t j = 0; j < size; ++j)
        pivots[static_cast<std::size_t>(j)] =
            s.factor.pivots[static_cast<std::size_t>(first + j)] / mean;
    const View<const float> push{&s.factor.push(first, first), size, size, s.factor.push.cols};
    std::uint16_t bits[kLanes] = {};
    std::uint8_t zeros[kLanes] = {};
    choose_group_scales(
        {space.targets.view().middle_rows(first, size),
         space.weights.view().middle_rows(first, size), push, pivots.data(), s.strip.rows},
        s.scheme, *s.rule, s.scales.divisor, bits, zeros);
    for (std::int64_t l = 0; l < s.strip.rows; ++l) {
        const std::int64_t row = s.strip.first + l;
        s.scales.bits(row, g) = bits[l];
        space.steps(g, l) = step(s.scheme.family, bits[l], s.scales.divisor);
        if (!s.scheme.zero_points()) continue;
        s.scales.zeros(row, g) = zeros[l];
        space.zeros(g, l) = decode_element(s.scheme.family, zeros[l]);
    }
}

void solve_leaf(const Solver& s, std::int64_t first, std::int64_t last, Workspace& space) {
    const GptqFactor& factor = s.factor;
    const Scheme& scheme = s.scheme;
    const std::int64_t group = scheme.group_of(std::ssize(factor.order));
    for (std::int64_t j = first; j < last; ++j) {
        if (s.rule && j % group == 0) choose_scale(s, j, space);
        const std::int64_t column = factor.order[static_cast<std::size_t>(j)];
        float* errors = space.weights.row(j);
        round_column(scheme.family, space.targets.row(j), space.steps.row(column / group),
                     space.zeros.row(column / group), errors, space.codes.row(column), kLanes);
        for (std::int64_t i = j + 1; i < last; ++i) {
            const float push = factor.push(j, i);
            float* __restrict targets = space.targets.row(i);
            for (int lane = 0; lane < kLanes; ++lane) {
                targets[lane] = std::fma(push, errors[lane], targets[lane]);
            }
        }
    }
}

// targets[middle, last) += push[first, middle)[middle, last)^T errors[first, middle)
void push_errors(const GptqFactor& factor, std::int64_t first, std::int64_t middle,
                 std::int64_t last, Workspace& space) {
    const View<const float> push{&factor.push(first, middle), middle - first, last - middle,
                                 factor.push.cols};
    add_product(1, push, space.weights.view().middle_rows(first, middle - first),
                space.targets.view().middle_rows(middle, last - middle));
}

void solve(const Solver& s, std::int64_t first, std::int64_t last, Workspace& space) {
    const std::int64_t blocks = (last - first + s.block - 1) / s.block;
    if (blocks <= 1) return solve_leaf(s, first, last, space);
    const std::int64_t middle = first + (blocks + 1) / 2 * s.block;
    solve(s, first, middle, space);
    push_errors(s.factor, first, middle, last, space);
    solve(s, middle, last, space);
}

void store(const Strip& strip, const Workspace& space, QTensor& q) {
    for (std::int64_t r = 0; r < strip.rows; ++r) {
        std::uint8_t* bytes = q.codes.row(strip.first + r);
        if (q.scheme->element_bits() == 8) {
            for (std::int64_t c = 0; c < q.cols; ++c) bytes[c] = space.codes(c, r);
            continue;
        }
        for (std::int64_t c = 0; c < q.cols; c += 2) {
            bytes[c / 2] =
                static_cast<std::uint8_t>(space.codes(c, r) | space.codes(c + 1, r) << 4);
        }
    }
}

std::vector<LinearResult> sweep(const SiteProblem& problem, const GptqFactor& factor,
                                Threads& threads) {
    std::vector<LinearResult> results;
    for (std::size_t i = 0; i < problem.weights.size(); ++i) {
        const auto& w = problem.weights[i];
        results.push_back({make_qtensor(*problem.scheme, w.rows, w.cols, problem.scales[i]), {}});
    }
    const auto strips = cut_into_strips(problem.weights, kLanes);
    // A group must not end outside the leaf in which it begins.
    const std::int64_t group = problem.options.group_rule ? problem.scheme->group : 1;
    const std::int64_t block = (problem.options.block + group - 1) / group * group;
    std::vector<Workspace> spaces(static_cast<std::size_t>(threads.count()));
    threads.loop(std::ssize(strips), [&](std::int64_t s, int thread) {
        const Strip& strip = strips[static_cast<std::size_t>(s)];
        Workspace& space = spaces[static_cast<std::size_t>(thread)];
        QTensor& q = results[strip.weight].weight;
        load(problem.weights[strip.weight], problem.scales[strip.weight], *problem.scheme, strip,
             factor.order, space);
        solve({factor, *problem.scheme, problem.options.group_rule, block, strip, q.scales}, 0,
              std::ssize(factor.order), space);
        store(strip, space, q);
    });
    return results;
}

}  // namespace

std::vector<LinearResult> run_gptq(const SiteProblem& problem, Threads& threads) {
    check_site("gptq", problem);
    if (problem.weights.empty()) return {};
    const std::int64_t in = problem.weights[0].cols;
    if (problem.hessian.rows != in || problem.hessian.cols != in) {
        fail("gptq: the Hessian is {} x {}; wanted {} x {}, one row for each input of the weights",
             problem.hessian.rows, problem.hessian.cols, in, in);
    }
    if (problem.options.block < 1)
        fail("gptq: block is {}; wanted at least 1", problem.options.block);
    const auto start = std::chrono::steady_clock::now();
    const auto factor = factor_hessian(problem.hessian, problem.options, threads,
                                       problem.options.group_rule ? problem.scheme->group : 1);
    auto results = sweep(problem, factor, threads);
    for (std::size_t i = 0; i < results.size() && problem.options.descent_rounds > 0; ++i)
        descend(problem.weights[i], problem.hessian, factor.added, problem.options.descent_rounds,
                results[i].weight, threads);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

    std::int64_t rows = 0;
    for (const auto& w : problem.weights) rows += w.rows;
    const auto square = static_cast<double>(in) * static_cast<double>(in);
    for (std::size_t i = 0; i < results.size(); ++i) {
        auto& report = results[i].report;
        const auto out = static_cast<double>(problem.weights[i].rows);
        const double share = rows == 0 ? 0 : out / static_cast<double>(rows);
        const auto attempts = static_cast<double>(factor.failed_dampings.size() + 1);
        report.damping = factor.damping;
        report.failed_dampings = factor.failed_dampings;
        report.dead_columns = factor.dead_columns;
        report.seconds = share * seconds;
        report.flops = share * attempts * square * static_cast<double>(in) / 3 + out * square;
        measure(problem.weights[i], results[i].weight, problem.hessian, threads, report);
    }
    return results;
}

}  // namespace hb
