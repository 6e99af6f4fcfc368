// SPDX-License-Identifier: Apache-2.0
#include "cli/study_model.hpp"

#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "cli/options.hpp"
#include "cli/terminal.hpp"
#include "core/file.hpp"
#include "report/study_page.hpp"
#include "report/table.hpp"
#include "study/model_study.hpp"

namespace hb {
namespace {

struct StudyModelArguments {
    ModelStudyOptions options;
    std::filesystem::path text, tokens;
};

CLI::Option* add_names(CLI::App& app, const std::string& option, std::vector<std::string>& names,
                       const std::string& help) {
    return app.add_option(option, names, help)
        ->delimiter(',')
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->type_name("NAME,...");
}

void print_result(const Json& results, const std::filesystem::path& out) {
    const StudyView study = study_view(results);
    Table table{{"scheme", "recipe", "bits", "KL", "perplexity", "top-1"}, {}};
    for (const CellView* c : study.by_kl())
        table.rows.push_back({c->scheme, c->recipe, shown(c->bits, 3), shown(c->kl, 4),
                              shown(c->perplexity, 3), shown(c->top1, 4)});
    if (!study.tasks.empty()) {
        table.head.push_back("recovery %");
        const auto sorted = study.by_kl();
        for (std::size_t i = 0; i < sorted.size(); ++i)
            table.rows[i].push_back(shown(recovery(*sorted[i], study), 1));
    }
    print(plain_text(table));
    print(fmt::format("wrote {}\n", (out / "report.html").string()));
}

void study_model_command(StudyModelArguments a) {
    ModelStudyOptions& options = a.options;
    options.data = a.tokens.empty() ? a.text : a.tokens;
    Json results;
    {
        ProgressBar bar("study");
        results = study_model(
            options,
            {
                .progress = [&](const StudyProgress& p) { bar.update(p.done, p.total, p.stage); },
                .notice = [&](const std::string& line) { bar.notice(line); },
            });
    }
    write_file(options.out / "results.csv", study_csv(results));
    write_file(options.out / "report.html", study_page(results));
    write_json(options.out / "results.json", results);
    print_result(results, options.out);
}

void add_what(CLI::App& app, StudyModelArguments& a) {
    ModelStudyOptions& o = a.options;
    app.add_option("MODEL", o.model, kModelHelp)->type_name("");
    app.add_option("--out", o.out,
                   "the folder of the study; what is finished there is not computed again")
        ->type_name("DIR");
    add_names(app, "--schemes", o.schemes, "see halfbyte list schemes")->capture_default_str();
    add_names(app, "--recipes", o.recipes,
              "see halfbyte list recipes; RECIPE+TRANSFORM for another transform")
        ->capture_default_str();
    app.add_option("--calibration", o.calibration,
                   ".txt, .jsonl (field text) or .i32; default: rows of 512 tokens sampled from "
                   "the model")
        ->type_name("FILE");
    app.add_option("--sequences", o.sequences, "rows of calibration tokens")
        ->check(between(1, 1 << 24))
        ->capture_default_str();
    app.add_option("--sequence-length", o.sequence_length, "tokens in a row")
        ->check(between(2, 1 << 24))
        ->capture_default_str();
    app.add_option("--seeds", o.seeds,
                   "calibration draws of the cells with 4-bit inputs under the last recipe")
        ->check(between(1, 1 << 10))
        ->capture_default_str();
}

void add_measures(CLI::App& app, StudyModelArguments& a) {
    ModelStudyOptions& o = a.options;
    auto* text = app.add_option("--text", a.text, "what to measure on: a text, or .jsonl")
                     ->type_name("FILE");
    app.add_option("--tokens", a.tokens, "the same as token ids, .i32")
        ->type_name("FILE")
        ->excludes(text);
    app.add_option("--windows", o.windows,
                   "at most so many windows of it, every n-th in order from the first")
        ->check(between(1, 1 << 24))
        ->capture_default_str();
    app.add_option("--window", o.window, "tokens in a window")
        ->check(between(2, 1 << 24))
        ->capture_default_str();
    auto* tasks = add_names(app, "--tasks", o.tasks, "see halfbyte list tasks: adds recovery");
    auto* data = app.add_option("--task-data", o.task_data, "the folder with the tasks' files")
                     ->type_name("FOLDER")
                     ->needs(tasks);
    tasks->needs(data);
    app.add_option("--limit", o.limit, "only the first items of each task")
        ->check(between(1, 1 << 30))
        ->needs(tasks);
}

}  // namespace

Action define_study_model(CLI::App& app) {
    const auto a = std::make_shared<StudyModelArguments>();
    add_what(app, *a);
    add_measures(app, *a);
    add_threads(app, a->options.threads);
    app.add_flag("--keep", a->options.keep, "keep the quantized models, in DIR/cells/NAME/model");
    app.parse_complete_callback([&app, a] {
        if (!app.get_subcommands().empty()) return;
        if (a->options.model.empty()) throw CLI::RequiredError("MODEL, or formats,");
        if (a->options.out.empty()) throw CLI::RequiredError("--out");
        if (a->text.empty() && a->tokens.empty()) throw CLI::RequiredError("--text or --tokens");
    });
    return [a] { study_model_command(*a); };
}

}  // namespace hb
