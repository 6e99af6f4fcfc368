// SPDX-License-Identifier: Apache-2.0
// halfbyte eval MODEL: the file's tokens are cut into windows in order and without gaps; a last
// shorter window is dropped unless it is the only one. --tasks is in eval_tasks.cpp.
#include <algorithm>
#include <memory>
#include <optional>

#include "calibration/dataset.hpp"
#include "cli/commands.hpp"
#include "cli/eval_tasks.hpp"
#include "cli/options.hpp"
#include "cli/terminal.hpp"
#include "core/error.hpp"
#include "eval/evaluate.hpp"
#include "model/model_tensors.hpp"
#include "report/table.hpp"

namespace hb {
namespace {

struct EvalArguments : EvalModels {
    std::filesystem::path text, tokens;
    TaskArguments tasks;
    std::int64_t window = 2048;
    EvalOptions options;

    const std::filesystem::path& data() const { return tokens.empty() ? text : tokens; }
};

View<const std::int32_t> windows_of(const std::vector<std::int32_t>& tokens,
                                    const EvalArguments& a) {
    const auto total = static_cast<std::int64_t>(tokens.size());
    if (total < 2) fail("{} holds {} token; at least 2 are needed", a.data().string(), total);
    const std::int64_t length = std::min(a.window, total);
    return {tokens.data(), total / length, length, length};
}

Json json_of(const EvalArguments& a, const EvalResult& r, const Kernels& kernels,
             std::int64_t window) {
    Json j = {
        {"model", a.model},
        {"head", a.head},
        {"kv", a.kv},
        {"activations", a.activations},
        {"perplexity", r.perplexity},
        {"kl", nullptr},
        {"top1", nullptr},
        {"tokens", r.tokens},
        {"windows", r.windows},
        {"window", window},
        {"seconds", r.seconds},
        {"tokens_per_second", r.seconds > 0 ? static_cast<double>(r.tokens) / r.seconds : 0.0},
        {"kernels", name_of(kernels)},
        {"threads", a.threads},
        {"version", HALFBYTE_VERSION}};
    if (!a.reference.empty()) {
        j["reference"] = a.reference;
        j["kl"] = r.kl;
        j["top1"] = r.top1;
        j["kl_tokens"] = r.kl_tokens;
        j["kl_stride"] = a.options.kl_stride;
        j["reference_perplexity"] = r.reference_perplexity;
    }
    return j;
}

void print_result(const Json& j) {
    Table table;
    const auto add = [&](const char* what, std::string value) {
        table.rows.push_back({what, std::move(value)});
    };
    add("perplexity", fmt::format("{:.4f}", j["perplexity"].get<double>()));
    if (!j["kl"].is_null()) {
        add("KL", fmt::format("{:.5f}", j["kl"].get<double>()));
        add("top-1 agreement", fmt::format("{:.4f}", j["top1"].get<double>()));
    }
    add("tokens", fmt::format("{} in {} windows of {}", j["tokens"].get<std::int64_t>(),
                              j["windows"].get<std::int64_t>(), j["window"].get<std::int64_t>()));
    add("time", fmt::format("{}, {:.0f} tokens/s", human_seconds(j["seconds"].get<double>()),
                            j["tokens_per_second"].get<double>()));
    print(plain_text(table));
}

void eval_command(EvalArguments a) {
    const Kernels& kernels = pick_kernels();
    Threads threads(a.threads);
    const auto checkpoint = Checkpoint::open(a.model);
    const ModelConfig config = model_config(checkpoint);
    const auto tokens = read_tokens(a.data(), checkpoint, config);
    const auto windows = windows_of(tokens, a);
    if (config.context > 0 && windows.cols > config.context)
        fail("--window {} is longer than the context of {}, {} tokens", windows.cols, a.model,
             config.context);
    std::optional<Decoder> reference;
    if (!a.reference.empty()) {
        LoadOptions options;
        options.storage = storage_for_many_rows(kernels);
        reference = load_decoder(Checkpoint::open(a.reference), threads, options);
        if (reference->config.vocab != config.vocab)
            fail("--reference {} has a vocabulary of {}, {} one of {}", a.reference,
                 reference->config.vocab, a.model, config.vocab);
    }
    const Decoder decoder =
        load_decoder(checkpoint, threads,
                     {Precision::f32, storage_for_many_rows(kernels), find_head_type(a.head),
                      find_kv_type(a.kv), find_activations(a.activations)});
    Json result;
    {
        ProgressBar bar("eval");
        a.options.progress = [&](std::int64_t done, std::int64_t total) {
            bar.update(done, total, "windows");
        };
        result = json_of(a,
                         evaluate(decoder, reference ? &*reference : nullptr, kernels, threads,
                                  windows, a.options),
                         kernels, windows.cols);
    }
    print_result(result);
    write_json(a.json, result);
}

}  // namespace

Action define_eval(CLI::App& app) {
    const auto a = std::make_shared<EvalArguments>();
    add_model(app, a->model);
    auto* data = app.add_option_group("data", "what to measure on; one of");
    data->add_option("--text", a->text, "a text, or .jsonl with a field text")->type_name("FILE");
    data->add_option("--tokens", a->tokens, "token ids, .i32 (little-endian int32)")
        ->type_name("FILE");
    add_task_options(app, *data, a->tasks);
    data->require_option(1);
    app.add_option("--window", a->window, "tokens in a window; each starts with an empty context")
        ->check(between(2, 1 << 24))
        ->excludes("--tasks")
        ->capture_default_str();
    app.add_option("--reference", a->reference,
                   "the model to compare with: adds KL and top-1 agreement, or recovery")
        ->type_name("MODEL");
    app.add_option("--kl-stride", a->options.kl_stride, "compare every n-th window")
        ->check(between(1, 1 << 24))
        ->excludes("--tasks")
        ->capture_default_str();
    add_head(app, a->head);
    add_kv(app, a->kv);
    add_activations(app, a->activations);
    add_threads(app, a->threads);
    add_json(app, a->json);
    return [a] { a->tasks.tasks.empty() ? eval_command(*a) : eval_tasks(*a, a->tasks); };
}

}  // namespace hb
