// SPDX-License-Identifier: Apache-2.0
#include "study/study_measures.hpp"

#include <cmath>
#include <optional>

#include "calibration/dataset.hpp"
#include "core/error.hpp"
#include "eval/evaluate.hpp"
#include "eval/task_score.hpp"

namespace hb {
namespace {

LoadOptions many_rows(const Kernels& kernels) {
    LoadOptions options;
    options.storage = storage_for_many_rows(kernels);
    return options;
}

}  // namespace

Json measure_windows(const std::string& model, StudyReference* reference, const StudyData& data,
                     int thread_count, const OnStage& on_stage) {
    const Kernels& kernels = pick_kernels();
    Threads threads(thread_count);
    const Decoder decoder = load_decoder(Checkpoint::open(model), threads, many_rows(kernels));
    std::optional<Decoder> beside;
    if (reference)
        beside = load_decoder(Checkpoint::open(reference->model), threads, many_rows(kernels));
    EvalOptions options;
    options.kl_stride = 1;
    if (reference) options.reference_states = &reference->states;
    options.progress = [&](std::int64_t done, std::int64_t total) {
        on_stage(fmt::format("window {} of {}", done, total));
    };
    const EvalResult r = evaluate(decoder, beside ? &*beside : nullptr, kernels, threads,
                                  data.windows.view(), options);
    Json json = {{"perplexity", r.perplexity}};
    if (reference) {
        json["kl"] = r.kl;
        json["top1"] = r.top1;
    }
    json["seconds"] = r.seconds;
    return json;
}

Json measure_tasks(const std::string& model, const StudyData& data, int thread_count,
                   const OnStage& on_stage) {
    Json tasks = Json::array();
    double seconds = 0;
    if (!data.tasks.empty()) {
        const Kernels& kernels = pick_kernels();
        Threads threads(thread_count);
        const auto checkpoint = Checkpoint::open(model);
        const Tokenizer tokenizer = load_tokenizer(checkpoint);
        const Decoder decoder = load_decoder(checkpoint, threads, many_rows(kernels));
        for (const AskedTask& asked : data.tasks) {
            on_stage(std::string(asked.task->name));
            const TaskScore score =
                evaluate_task(*asked.task, asked.items, tokenizer, decoder, kernels, threads);
            const Figure& figure = score.accuracy();
            tasks.push_back({{"task", asked.task->name},
                             {"items", score.items.size()},
                             {"accuracy", figure.value},
                             {"error", std::isfinite(figure.error) ? Json(figure.error) : Json()}});
            seconds += score.seconds;
        }
    }
    return {{"tasks", tasks}, {"seconds", seconds}};
}

}  // namespace hb
