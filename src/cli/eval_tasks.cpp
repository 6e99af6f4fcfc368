// SPDX-License-Identifier: Apache-2.0
// The two models are never in memory together: the reference answers first.
#include "cli/eval_tasks.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <optional>

#include "calibration/dataset.hpp"
#include "cli/options.hpp"
#include "cli/terminal.hpp"
#include "core/file.hpp"
#include "eval/task_score.hpp"
#include "model/model_tensors.hpp"
#include "report/table.hpp"

namespace hb {
namespace {

struct Asked {
    const Task* task;
    std::vector<TaskItem> items;
};

Json number(double x) {
    return std::isfinite(x) ? Json(x) : Json(nullptr);
}

std::vector<TaskScore> ask(const std::string& model, const LoadOptions& options,
                           const std::vector<Asked>& asked, const Kernels& kernels,
                           Threads& threads, const char* title) {
    const auto checkpoint = Checkpoint::open(model);
    const Tokenizer tokenizer = load_tokenizer(checkpoint);
    const Decoder decoder = load_decoder(checkpoint, threads, options);
    std::vector<TaskScore> scores;
    for (const Asked& one : asked) {
        ProgressBar bar(title);
        LikelihoodOptions likelihood;
        likelihood.progress = [&](std::int64_t done, std::int64_t total) {
            bar.update(done, total, one.task->name);
        };
        scores.push_back(
            evaluate_task(*one.task, one.items, tokenizer, decoder, kernels, threads, likelihood));
    }
    return scores;
}

// name, figure: those that the task's measure has
std::vector<std::pair<std::string, Figure>> figures_of(const TaskScore& score) {
    std::vector<std::pair<std::string, Figure>> figures = {{"acc", score.acc}};
    if (score.task->measure == Measure::acc_norm) {
        figures.emplace_back("acc_norm", score.acc_norm);
        figures.emplace_back("acc_bytes", score.acc_bytes);
    }
    if (score.task->measure == Measure::last_word)
        figures.emplace_back("perplexity", score.perplexity);
    return figures;
}

Json figures_json(const TaskScore& score) {
    Json j = Json::object();
    for (const auto& [name, figure] : figures_of(score)) {
        j[name] = number(figure.value);
        j[name + "_stderr"] = number(figure.error);
    }
    return j;
}

double recovery(double value, double reference) {
    return 100 * (value / reference);
}

Json task_json(const TaskScore& score, const TaskScore* reference) {
    Json j = {{"task", score.task->name}, {"items", score.items.size()}};
    j.update(figures_json(score));
    j["tokens"] = score.tokens;
    j["seconds"] = score.seconds;
    if (!reference) return j;
    j["reference"] = figures_json(*reference);
    j["recovery"] = {{"acc", number(recovery(score.acc.value, reference->acc.value))}};
    if (score.task->measure == Measure::acc_norm)
        j["recovery"]["acc_norm"] =
            number(recovery(score.acc_norm.value, reference->acc_norm.value));
    return j;
}

double mean_accuracy(const std::vector<TaskScore>& scores) {
    double sum = 0;
    for (const TaskScore& score : scores) sum += score.accuracy().value;
    return sum / static_cast<double>(scores.size());
}

Json result_json(const EvalModels& models, const TaskArguments& a,
                 const std::vector<TaskScore>& scores, const std::vector<TaskScore>& reference,
                 const Kernels& kernels) {
    Json j = {{"model", models.model},
              {"head", models.head},
              {"kv", models.kv},
              {"activations", models.activations},
              {"reference", nullptr},
              {"limit", nullptr},
              {"tasks", Json::array()},
              {"accuracy", nullptr},
              {"kernels", name_of(kernels)},
              {"threads", models.threads},
              {"version", HALFBYTE_VERSION}};
    if (a.limit > 0) j["limit"] = a.limit;
    for (std::size_t i = 0; i < scores.size(); ++i)
        j["tasks"].push_back(task_json(scores[i], reference.empty() ? nullptr : &reference[i]));
    j["accuracy"] = number(mean_accuracy(scores));
    if (reference.empty()) return j;
    j["reference"] = models.reference;
    j["reference_accuracy"] = number(mean_accuracy(reference));
    j["recovery"] = number(recovery(mean_accuracy(scores), mean_accuracy(reference)));
    return j;
}

std::string with_error(const Figure& figure) {
    return std::isfinite(figure.error) ? fmt::format("{:.4f} ± {:.4f}", figure.value, figure.error)
                                       : fmt::format("{:.4f}", figure.value);
}

Table table_of(const std::vector<TaskScore>& scores, const std::vector<TaskScore>& reference) {
    Table table{{"task", "items", "acc", "acc_norm", "perplexity"}, {}};
    if (!reference.empty()) table.head.insert(table.head.end(), {"reference", "recovery %"});
    for (std::size_t i = 0; i < scores.size(); ++i) {
        const TaskScore& s = scores[i];
        const Measure measure = s.task->measure;
        table.rows.push_back({std::string(s.task->name), fmt::format("{}", s.items.size()),
                              with_error(s.acc),
                              measure == Measure::acc_norm ? with_error(s.acc_norm) : "",
                              measure == Measure::last_word ? with_error(s.perplexity) : ""});
        if (reference.empty()) continue;
        const double other = reference[i].accuracy().value;
        table.rows.back().push_back(fmt::format("{:.4f}", other));
        table.rows.back().push_back(fmt::format("{:.1f}", recovery(s.accuracy().value, other)));
    }
    if (reference.empty()) return table;
    const double mean = mean_accuracy(scores), other = mean_accuracy(reference);
    table.rows.push_back({"mean", "", fmt::format("{:.4f}", mean), "", "",
                          fmt::format("{:.4f}", other),
                          fmt::format("{:.1f}", recovery(mean, other))});
    return table;
}

// A line of JSON for every item.
std::string item_lines(const std::vector<TaskScore>& scores, const std::vector<Asked>& asked) {
    std::string text;
    for (std::size_t t = 0; t < scores.size(); ++t)
        for (std::size_t i = 0; i < scores[t].items.size(); ++i) {
            const ItemScore& item = scores[t].items[i];
            Json line = {{"task", scores[t].task->name},   {"item", i},
                         {"gold", asked[t].items[i].gold}, {"log_likelihoods", Json::array()},
                         {"greedy", Json::array()},        {"acc", item.acc ? 1 : 0}};
            for (const Likelihood& answer : item.answers) {
                line["log_likelihoods"].push_back(number(answer.log));
                line["greedy"].push_back(answer.greedy);
            }
            if (scores[t].task->measure == Measure::acc_norm) {
                line["acc_norm"] = item.acc_norm ? 1 : 0;
                line["acc_bytes"] = item.acc_bytes ? 1 : 0;
            }
            text += line.dump() + "\n";
        }
    return text;
}

}  // namespace

void add_task_options(CLI::App& app, CLI::Option_group& measured, TaskArguments& a) {
    std::string names;
    for (const Task& task : all_tasks())
        names += (names.empty() ? "" : ", ") + std::string(task.name);
    auto* tasks = measured
                      .add_option("--tasks", a.tasks,
                                  "questions, scored as lm-evaluation-harness does: " + names)
                      ->delimiter(',')
                      ->allow_extra_args(false)
                      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
                      ->type_name("TASK,...");
    auto* data = app.add_option("--task-data", a.data, "the folder with the tasks' files")
                     ->type_name("FOLDER")
                     ->needs(tasks);
    tasks->needs(data);
    app.add_option("--limit", a.limit, "only the first items of each task")
        ->check(between(1, 1 << 30))
        ->needs(tasks);
    app.add_option("--items", a.items, "also write every item's log-likelihoods, one JSON a line")
        ->type_name("FILE")
        ->check(writable_place())
        ->needs(tasks);
}

void eval_tasks(const EvalModels& models, const TaskArguments& a) {
    const std::int64_t limit = a.limit > 0 ? a.limit : std::numeric_limits<std::int64_t>::max();
    std::vector<Asked> asked;
    for (const std::string& name : a.tasks) {
        const Task& task = find_task(name);
        asked.push_back({&task, read_items(task, a.data, limit)});
    }
    const Kernels& kernels = pick_kernels();
    Threads threads(models.threads);
    LoadOptions options;
    options.storage = storage_for_many_rows(kernels);
    std::vector<TaskScore> reference;
    if (!models.reference.empty())
        reference = ask(models.reference, options, asked, kernels, threads, "reference");
    options.head = find_head_type(models.head);
    options.kv = find_kv_type(models.kv);
    options.activations = find_activations(models.activations);
    const auto scores = ask(models.model, options, asked, kernels, threads, "eval");
    print(plain_text(table_of(scores, reference)));
    if (!a.items.empty()) write_file(a.items, item_lines(scores, asked));
    write_json(models.json, result_json(models, a, scores, reference, kernels));
}

}  // namespace hb
