// SPDX-License-Identifier: Apache-2.0
// halfbyte study: of a model (study_model.cpp), or without quantizing one. formats: what each scale
// rule loses of drawn numbers and of a model's weights.
#include <memory>

#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/study_model.hpp"
#include "cli/study_tables.hpp"
#include "cli/terminal.hpp"
#include "core/file.hpp"
#include "study/weights.hpp"

namespace hb {
namespace {

struct StudyArguments {
    std::string model;
    std::filesystem::path json, csv;
    FormatStudyOptions options;
    int threads = 1;
};

void study_formats_command(StudyArguments a) {
    Threads threads(a.threads);
    std::vector<Sample> weights;
    if (!a.model.empty()) weights = weight_samples(Checkpoint::open(a.model), a.options.samples);
    FormatStudy study;
    {
        ProgressBar bar("study");
        a.options.progress = [&](std::int64_t done, std::int64_t total) {
            bar.update(done, total, "samples");
        };
        study = study_formats(a.options, weights, threads);
    }
    print(format_study_text(study));
    Json what = {{"samples", a.options.samples}, {"seed", a.options.seed}};
    if (!a.model.empty()) what["model"] = a.model;
    what["version"] = HALFBYTE_VERSION;
    if (!a.csv.empty()) write_file(a.csv, format_study_csv(study));
    if (!a.json.empty()) write_file(a.json, format_study_json(study, what));
}

Action define_formats(CLI::App& app) {
    const auto a = std::make_shared<StudyArguments>();
    app.add_option("--model", a->model,
                   std::string("also study the weights of this model: ") + kModelHelp)
        ->type_name("MODEL");
    app.add_option("--samples", a->options.samples,
                   "numbers drawn of each distribution, weights taken of each kind of linear")
        ->check(between(1024, 1 << 26))
        ->capture_default_str();
    app.add_option("--seed", a->options.seed, "of the draws")
        ->type_name("N")
        ->capture_default_str();
    add_threads(app, a->threads);
    add_json(app, a->json);
    app.add_option("--csv", a->csv, "also write the rows to this file")
        ->type_name("FILE")
        ->check(writable_place());
    return [a] { study_formats_command(*a); };
}

}  // namespace

Action define_study(CLI::App& app) {
    CLI::App* formats = app.add_subcommand(
        "formats", "error of 4-bit elements by scale, rule, group size and rotation");
    const Action of_formats = define_formats(*formats), of_model = define_study_model(app);
    return [=] { formats->parsed() ? of_formats() : of_model(); };
}

}  // namespace hb
