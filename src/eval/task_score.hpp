// SPDX-License-Identifier: Apache-2.0
// What the likelihoods of a task's answers come to. The model's answer is the one of the largest
// log p (acc), log p / characters (acc_norm) or log p / UTF-8 bytes (acc_bytes) of the choice, the
// first on a tie; the space before the choice counts as neither. A figure is the mean over the
// items; its error is s / sqrt(n), with s^2 = sum (x - mean)^2 / (n - 1). Of a last word: acc is
// the share that greedy decoding gives, perplexity exp(-mean log p), its error to first order.
// Recovery is 100 * figure / figure of the reference.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "eval/likelihood.hpp"
#include "eval/tasks.hpp"

namespace hb {

struct ItemScore {
    std::vector<Likelihood> answers;
    bool acc = false, acc_norm = false, acc_bytes = false;
};

struct Figure {
    double value = 0, error = 0;  // error: NaN of one item
};

struct TaskScore {
    const Task* task = nullptr;
    std::vector<ItemScore> items;
    Figure acc, acc_norm, acc_bytes, perplexity;  // those of the task's measure
    std::int64_t tokens = 0;                      // that were scored
    double seconds = 0;

    // acc_norm where the task has it.
    const Figure& accuracy() const { return task->measure == Measure::acc_norm ? acc_norm : acc; }
};

Figure mean_of(std::span<const double> values);

ItemScore score_item(const Task& task, const TaskItem& item, std::span<const Likelihood> answers);
TaskScore score_task(const Task& task, std::span<const TaskItem> items,
                     std::span<const Likelihood> answers);

// Both of the above: reads nothing, asks the model.
TaskScore evaluate_task(const Task& task, std::span<const TaskItem> items,
                        const Tokenizer& tokenizer, const Decoder& decoder, const Kernels& kernels,
                        Threads& threads, const LikelihoodOptions& options = {});

}  // namespace hb
