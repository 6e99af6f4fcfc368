// SPDX-License-Identifier: Apache-2.0
#include "study/model_study.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include "core/error.hpp"
#include "core/file.hpp"
#include "engine/decoder.hpp"
#include "study/activation_outliers.hpp"
#include "study/scale_histogram.hpp"
#include "study/study_cells.hpp"
#include "study/study_measures.hpp"

namespace hb {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kOutlierRows = 2, kOutlierLength = 512;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Study {
    const ModelStudyOptions& options;
    const StudyHooks& hooks;
    const Checkpoint& checkpoint;
    StudyData data;
    StudyMatrix matrix;
    StudyReference reference;
    std::map<std::uint64_t, Draw> draws;
    std::int64_t done = 0;

    void say(const std::string& stage) const {
        if (hooks.progress) hooks.progress({done, std::ssize(matrix.cells) + 1, stage});
    }
    fs::path folder_of(const std::string& name) const { return options.out / "cells" / name; }
};

void store(const fs::path& folder, const Json& result) {
    write_file(folder / "result.json", result.dump(1) + "\n");
}

Json outliers_of(const Study& study, const Draw& draw) {
    Threads threads(study.options.threads);
    const Kernels& kernels = pick_kernels();
    const std::string bytes = read_file(draw.file);
    const View<const std::int32_t> rows{reinterpret_cast<const std::int32_t*>(bytes.data()),
                                        std::min(kOutlierRows, draw.sequences),
                                        std::min(kOutlierLength, draw.length), draw.length};
    Decoder decoder = load_decoder(
        study.checkpoint, threads,
        {.baseline_precision = Precision::bf16, .storage = storage_for_many_rows(kernels)});
    const Embedding embedding = load_embedding(study.checkpoint, decoder.config);
    return activation_outliers(std::move(decoder), embedding, kernels, threads, rows);
}

Json run_reference(const Study& study) {
    const Draw& draw = study.draws.at(0);
    const Json key = reference_key(study.data, draw);
    const std::string name = cell_name("reference", key);
    if (auto stored =
            stored_result(study.folder_of(name), key,
                          {"perplexity", "tasks", "activations", "seconds"}, study.hooks.notice))
        return *stored;
    const auto on_stage = [&](const std::string& stage) { study.say("reference: " + stage); };
    Json result = {{"key", key}};
    const Json windows = measure_windows(study.options.model, nullptr, study.data,
                                         study.options.threads, on_stage),
               tasks =
                   measure_tasks(study.options.model, study.data, study.options.threads, on_stage);
    on_stage("activations");
    const auto start = Clock::now();
    result["perplexity"] = windows["perplexity"];
    result["tasks"] = tasks["tasks"];
    result["activations"] = outliers_of(study, draw);
    result["seconds"] = {{"windows", windows["seconds"]},
                         {"tasks", tasks["seconds"]},
                         {"activations", seconds_since(start)}};
    fs::create_directories(study.folder_of(name));
    store(study.folder_of(name), result);
    return result;
}

Json layers_of(const Json& quantized) {
    Json layers = Json::array();
    for (const Json& layer : quantized.value("layers", Json::array()))
        layers.push_back({{"name", layer.value("name", "")},
                          {"weight_mse", layer.value("weight_mse", 0.0)},
                          {"output_error", layer.value("output_error", 0.0)}});
    return layers;
}

Json quantize_cell(const Study& study, const StudyCell& cell, const Draw& draw,
                   const std::string& name, const fs::path& model) {
    QuantizeOptions options = cell.quantize;
    options.out = model;
    options.calibration = draw.file;
    options.sequences = draw.sequences;
    options.sequence_length = draw.length;
    return quantize_model(
        options,
        {.progress = [&](const Progress& p) { study.say(fmt::format("{}: {}", name, p.stage)); },
         .notice = study.hooks.notice});
}

Json compute_cell(Study& study, const StudyCell& cell, const Draw& draw, const std::string& name,
                  const Json& key) {
    const fs::path folder = study.folder_of(name), model = folder / "model";
    fs::create_directories(folder);
    const bool resumed = fs::exists(model);
    const Json quantized = quantize_cell(study, cell, draw, name, model);
    const auto on_stage = [&](const std::string& stage) { study.say(name + ": " + stage); };
    const Json windows = measure_windows(model.string(), &study.reference, study.data,
                                         study.options.threads, on_stage),
               tasks = measure_tasks(model.string(), study.data, study.options.threads, on_stage);
    Json result = {{"key", key},
                   {"name", name},
                   {"scheme", cell.scheme},
                   {"recipe", cell.recipe},
                   {"seed", cell.draw}};
    result["quantized_inputs"] = find_scheme(cell.scheme).quantized_activations;
    result["quantizer"] = quantized["quantizer"];
    result["transforms"] = quantized["transforms"];
    result["bits_per_weight"] = quantized["bits_per_weight"];
    for (const char* figure : {"perplexity", "kl", "top1"}) result[figure] = windows[figure];
    result["tasks"] = tasks["tasks"];
    result["layers"] = layers_of(quantized);
    result["scales"] = scale_histogram(Checkpoint::open(model.string()), study.data.config);
    // Of an interrupted run only what came after it is known.
    result["seconds"] = {{"quantize", resumed ? Json() : quantized["seconds"]},
                         {"windows", windows["seconds"]},
                         {"tasks", tasks["seconds"]}};
    store(folder, result);
    return result;
}

Json run_cell(Study& study, const StudyCell& cell) {
    const Draw& draw = study.draws.at(cell.draw);
    const Json key = key_of(cell, study.data, draw);
    const std::string name =
        cell_name(fmt::format("{}_{}_{}", cell.scheme, cell.recipe, cell.draw), key);
    auto result =
        stored_result(study.folder_of(name), key,
                      {"name", "scheme", "recipe", "seed", "quantized_inputs", "bits_per_weight",
                       "perplexity", "kl", "top1", "tasks", "layers", "scales", "seconds"},
                      study.hooks.notice);
    if (!result) result = compute_cell(study, cell, draw, name, key);
    std::error_code ignored;
    if (!study.options.keep) fs::remove_all(study.folder_of(name) / "model", ignored);
    return *result;
}

Json description(const Study& study) {
    const Draw& draw = study.draws.at(0);
    const fs::path& calibration = study.options.calibration;
    Json left_out = Json::array();
    for (const LeftOut& one : study.matrix.left_out)
        left_out.push_back(
            {{"scheme", one.scheme}, {"recipe", one.recipe}, {"reason", one.reason}});
    return {{"version", HALFBYTE_VERSION},
            {"model", study.checkpoint.path().filename().string()},
            {"fingerprint", study.data.fingerprint},
            {"layers", study.data.config.layers},
            {"windows",
             {{"file", study.options.data.filename().string()},
              {"count", study.data.windows.rows},
              {"length", study.data.windows.cols}}},
            {"calibration",
             {{"source",
               calibration.empty() ? "sampled from the model" : calibration.filename().string()},
              {"sequences", draw.sequences},
              {"sequence_length", draw.length},
              {"draws", study.draws.size()}}},
            {"left_out", left_out}};
}

}  // namespace

Json study_model(const ModelStudyOptions& options, const StudyHooks& hooks) {
    const Checkpoint checkpoint = Checkpoint::open(options.model);
    Study study{
        options, hooks, checkpoint, {}, make_matrix(options, checkpoint), {options.model, {}},
        {},      0};
    study.data = read_study_data(options, checkpoint);
    std::error_code error;
    fs::create_directories(options.out / "cells", error);
    if (error) fail("cannot create {}: {}", (options.out / "cells").string(), error.message());
    for (const StudyCell& cell : study.matrix.cells)
        if (!study.draws.contains(cell.draw))
            study.draws[cell.draw] = make_draw(options, checkpoint, study.data, cell.draw, hooks);
    Json results = description(study);
    results["reference"] = run_reference(study);
    results["cells"] = Json::array();
    for (const StudyCell& cell : study.matrix.cells) {
        study.done += 1;
        results["cells"].push_back(run_cell(study, cell));
    }
    results["reference"].erase("key");
    for (Json& cell : results["cells"]) cell.erase("key");
    return results;
}

}  // namespace hb
