// SPDX-License-Identifier: Apache-2.0
#include "eval/task_score.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace hb {
namespace {

double characters(const std::string& text) {
    return static_cast<double>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// length(answer) divides its log-likelihood.
template <class Length>
bool is_right(const TaskItem& item, std::span<const Likelihood> answers, const Length& length) {
    std::vector<double> values;
    for (std::size_t i = 0; i < answers.size(); ++i)
        values.push_back(answers[i].log / length(item.answers[i]));
    return std::max_element(values.begin(), values.end()) - values.begin() == item.gold;
}

template <class Value>
Figure figure_of(const TaskScore& score, const Value& value) {
    std::vector<double> values;
    for (const ItemScore& item : score.items) values.push_back(value(item));
    return mean_of(values);
}

}  // namespace

Figure mean_of(std::span<const double> values) {
    const auto n = static_cast<double>(values.size());
    double sum = 0, squares = 0;
    for (const double x : values) sum += x;
    const double mean = sum / n;
    for (const double x : values) squares += (x - mean) * (x - mean);
    return {mean, n > 1 ? std::sqrt(squares / (n - 1)) / std::sqrt(n) : std::nan("")};
}

ItemScore score_item(const Task& task, const TaskItem& item, std::span<const Likelihood> answers) {
    ItemScore score{{answers.begin(), answers.end()}, false, false, false};
    if (task.measure == Measure::last_word) {
        score.acc = answers[0].greedy;
        return score;
    }
    score.acc = is_right(item, answers, [](const Answer&) { return 1.0; });
    score.acc_norm = is_right(item, answers, [](const Answer& a) { return characters(a.choice); });
    score.acc_bytes = is_right(
        item, answers, [](const Answer& a) { return static_cast<double>(a.choice.size()); });
    return score;
}

TaskScore score_task(const Task& task, std::span<const TaskItem> items,
                     std::span<const Likelihood> answers) {
    TaskScore score;
    score.task = &task;
    for (const TaskItem& item : items) {
        score.items.push_back(score_item(task, item, answers.first(item.answers.size())));
        answers = answers.subspan(item.answers.size());
    }
    score.acc = figure_of(score, [](const ItemScore& i) { return i.acc; });
    if (task.measure == Measure::acc_norm) {
        score.acc_norm = figure_of(score, [](const ItemScore& i) { return i.acc_norm; });
        score.acc_bytes = figure_of(score, [](const ItemScore& i) { return i.acc_bytes; });
    }
    if (task.measure == Measure::last_word) {
        const Figure log = figure_of(score, [](const ItemScore& i) { return i.answers[0].log; });
        const double perplexity = std::exp(-log.value);
        score.perplexity = {perplexity, perplexity * log.error};
    }
    return score;
}

TaskScore evaluate_task(const Task& task, std::span<const TaskItem> items,
                        const Tokenizer& tokenizer, const Decoder& decoder, const Kernels& kernels,
                        Threads& threads, const LikelihoodOptions& options) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<ItemContinuations> continuations(items.size());
    threads.loop(static_cast<std::int64_t>(items.size()), [&](std::int64_t i, int) {
        const TaskItem& item = items[static_cast<std::size_t>(i)];
        for (const Answer& a : item.answers)
            continuations[static_cast<std::size_t>(i)].push_back(encode_continuation(
                tokenizer, decoder.config, a.context, a.continuation, item.where));
    });
    TaskScore score =
        score_task(task, items, log_likelihoods(decoder, kernels, threads, continuations, options));
    for (const ItemContinuations& item : continuations)
        for (const Continuation& c : item) score.tokens += c.scored;
    score.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return score;
}

}  // namespace hb
