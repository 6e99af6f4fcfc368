// SPDX-License-Identifier: Apache-2.0
#include "eval/likelihood.hpp"

#include <algorithm>

#include "engine/prefix_cache.hpp"

namespace hb {
namespace {

constexpr std::int64_t kHeadRows = 192;  // rows of logits in memory at a time

using Group = std::span<const Continuation>;  // of one item

// The tokens that the model reads: the last one is only predicted.
std::span<const std::int32_t> input_of(const Continuation& c) {
    return std::span(c.tokens).first(c.tokens.size() - 1);
}

std::int64_t size_of(std::span<const std::int32_t> tokens) {
    return static_cast<std::int64_t>(tokens.size());
}

// Length of what all inputs of an item begin with.
std::int64_t shared_length(Group item) {
    const auto first = input_of(item[0]);
    auto shared = first.size();
    for (const Continuation& c : item) {
        const auto own = input_of(c);
        shared = std::min(shared, own.size());
        const auto end = first.begin() + static_cast<std::ptrdiff_t>(shared);
        shared = static_cast<std::size_t>(std::mismatch(first.begin(), end, own.begin()).first -
                                          first.begin());
    }
    return static_cast<std::int64_t>(shared);
}

std::int64_t positions_of(Group item) {
    std::int64_t positions = 0;
    for (const Continuation& c : item) positions += (size_of(input_of(c)) + 31) / 32 * 32;
    return positions;
}

// Items, and parts of those that would take more than `most` positions.
std::vector<Group> cut_items(std::span<const ItemContinuations> items, std::int64_t most) {
    std::vector<Group> groups;
    for (const Group item : items)
        for (std::size_t first = 0, end = 0; first < item.size(); first = end) {
            std::int64_t positions = 0;
            do positions += positions_of(item.subspan(end++, 1));
            while (end < item.size() && positions + positions_of(item.subspan(end, 1)) <= most);
            groups.push_back(item.subspan(first, end - first));
        }
    return groups;
}

// A continuation in the two passes: its rows [0, shared) begin at row `first` of the first pass,
// the rest at row `rest` of the second.
struct Place {
    std::int64_t first = 0, shared = 0, rest = 0;
};

struct Target {
    std::int64_t row;  // in the rows of both passes, one after another
    std::int32_t token;
    double log = 0;
    bool largest = false;
};

struct Run {
    const Decoder& decoder;
    const Kernels& kernels;
    Threads& threads;
    Scratch scratch;
    Matrix<float> shared, rest, rows, logits;
};

// Both passes over some items; a place for each continuation.
std::vector<Place> run_passes(Run& run, std::span<const Group> items) {
    std::vector<Sequence> roots;
    std::vector<Request> requests;
    std::vector<Place> places;
    roots.reserve(items.size());
    std::int64_t row = 0;
    for (const Group item : items) {
        const std::int64_t shared = shared_length(item);
        roots.push_back(make_sequence(run.decoder, shared));
        for (std::size_t i = 0; i < item.size(); ++i) places.push_back({row, shared, 0});
        if (shared == 0) continue;
        requests.push_back(
            {&roots.back(), input_of(item[0]).first(static_cast<std::size_t>(shared))});
        row += shared;
    }
    run.shared = Matrix<float>(0, run.decoder.config.hidden);
    if (row > 0) forward(run.decoder, run.kernels, run.threads, requests, run.scratch, run.shared);

    std::vector<Sequence> branches;
    branches.reserve(places.size());
    requests.clear();
    std::size_t at = 0;
    row = 0;
    for (std::size_t i = 0; i < items.size(); ++i)
        for (const Continuation& c : items[i]) {
            Place& place = places[at++];
            const auto rest = input_of(c).subspan(static_cast<std::size_t>(place.shared));
            place.rest = row;
            row += size_of(rest);
            if (rest.empty()) continue;
            branches.push_back(make_sequence(run.decoder, size_of(input_of(c))));
            if (place.shared > 0)
                copy_positions(roots[i], place.shared, branches.back(), run.threads);
            requests.push_back({&branches.back(), rest});
        }
    roots.clear();
    run.rest = Matrix<float>(0, run.decoder.config.hidden);
    if (row > 0) forward(run.decoder, run.kernels, run.threads, requests, run.scratch, run.rest);
    return places;
}

void score_row(const Run& run, std::int64_t r, std::span<Target> targets) {
    const float* logits = run.logits.row(r);
    const std::int64_t vocab = run.logits.cols;
    const double lse = log_sum_exp(run.kernels, logits, vocab);
    const auto largest = std::max_element(logits, logits + vocab) - logits;
    for (Target& target : targets) {
        target.log = logits[target.token] - lse;
        target.largest = target.token == largest;
    }
}

// Targets in order of rows, which several may share.
void score(Run& run, std::span<Target> targets) {
    std::vector<std::span<Target>> of_row;
    for (std::size_t i = 0, end = 0; i < targets.size(); i = end) {
        while (end < targets.size() && targets[end].row == targets[i].row) ++end;
        of_row.push_back(targets.subspan(i, end - i));
    }
    const auto total = static_cast<std::int64_t>(of_row.size());
    for (std::int64_t first = 0; first < total; first += kHeadRows) {
        const std::int64_t count = std::min(kHeadRows, total - first);
        run.rows = Matrix<float>(count, run.decoder.config.hidden);
        run.logits = Matrix<float>(count, run.decoder.config.vocab);
        for (std::int64_t r = 0; r < count; ++r) {
            const std::int64_t row = of_row[static_cast<std::size_t>(first + r)][0].row;
            const float* from =
                row < run.shared.rows ? run.shared.row(row) : run.rest.row(row - run.shared.rows);
            std::copy_n(from, run.rows.cols, run.rows.row(r));
        }
        logits(run.decoder, run.kernels, run.threads, run.rows.view(), run.scratch,
               run.logits.view());
        run.threads.loop(count, [&](std::int64_t r, int) {
            score_row(run, r, of_row[static_cast<std::size_t>(first + r)]);
        });
    }
}

void score_items(Run& run, std::span<const Group> items, std::vector<Likelihood>& out) {
    const auto places = run_passes(run, items);
    std::vector<Target> targets;
    std::vector<std::size_t> owner;  // of a target, among the continuations
    std::size_t at = 0;
    for (const Group item : items)
        for (const Continuation& c : item) {
            const Place& place = places[at];
            for (std::int64_t i = c.begin() - 1; i + 1 < c.begin() + c.scored; ++i) {
                const std::int64_t row = i < place.shared
                                             ? place.first + i
                                             : run.shared.rows + place.rest + i - place.shared;
                targets.push_back({row, c.tokens[static_cast<std::size_t>(i) + 1]});
                owner.push_back(at);
            }
            ++at;
        }
    std::vector<std::size_t> order(targets.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return targets[a].row < targets[b].row; });
    std::vector<Target> sorted;
    for (const std::size_t i : order) sorted.push_back(targets[i]);
    score(run, sorted);
    std::vector<Likelihood> found(places.size(), {0, true});
    for (std::size_t i = 0; i < order.size(); ++i) {  // rows of a continuation rise
        Likelihood& own = found[owner[order[i]]];
        own.log += sorted[i].log;
        own.greedy = own.greedy && sorted[i].largest;
    }
    out.insert(out.end(), found.begin(), found.end());
}

}  // namespace

std::vector<Likelihood> log_likelihoods(const Decoder& decoder, const Kernels& kernels,
                                        Threads& threads, std::span<const ItemContinuations> items,
                                        const LikelihoodOptions& options) {
    Run run{decoder, kernels, threads, {}, {}, {}, {}, {}};
    std::vector<Likelihood> out;
    const std::vector<Group> groups = cut_items(items, 4 * options.positions);
    for (std::size_t first = 0, end = 0; first < groups.size(); first = end) {
        std::int64_t positions = 0;
        do positions += positions_of(groups[end++]);
        while (end < groups.size() && positions + positions_of(groups[end]) <= options.positions);
        score_items(run, std::span(groups).subspan(first, end - first), out);
        if (options.progress)
            options.progress(static_cast<std::int64_t>(end),
                             static_cast<std::int64_t>(groups.size()));
    }
    return out;
}

}  // namespace hb
