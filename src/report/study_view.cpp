// SPDX-License-Identifier: Apache-2.0
#include "report/study_view.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"

namespace hb {
namespace {

double number(const Json& object, const char* key) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    return found != object.end() && found->is_number() ? found->get<double>()
                                                       : std::numeric_limits<double>::quiet_NaN();
}

std::int64_t whole(const Json& object, const char* key) {
    const double value = number(object, key);
    return std::isfinite(value) ? static_cast<std::int64_t>(value) : 0;
}

std::string text(const Json& object, const char* key) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

const Json& list(const Json& object, const char* key) {
    static const Json kNone = Json::array();
    const auto found = object.is_object() ? object.find(key) : object.end();
    return found != object.end() && found->is_array() ? *found : kNone;
}

std::vector<TaskView> tasks_of(const Json& object) {
    std::vector<TaskView> tasks;
    for (const Json& task : list(object, "tasks"))
        tasks.push_back({text(task, "task"), number(task, "accuracy"), number(task, "error"),
                         whole(task, "items")});
    return tasks;
}

// "model.layers.7.self_attn.q_proj"
LayerView layer_of(const Json& layer) {
    const std::string name = text(layer, "name");
    LayerView view{0, name.substr(name.rfind('.') + 1), number(layer, "weight_mse"),
                   number(layer, "output_error")};
    if (const auto at = name.find("layers."); at != std::string::npos)
        view.layer = std::atoll(name.c_str() + at + 7);
    return view;
}

CellView cell_of(const Json& json) {
    CellView cell;
    cell.name = text(json, "name");
    cell.scheme = text(json, "scheme");
    cell.recipe = text(json, "recipe");
    cell.seed = whole(json, "seed");
    cell.quantized_inputs = json.value("quantized_inputs", Json(false)) == true;
    cell.bits = number(json, "bits_per_weight");
    cell.kl = number(json, "kl");
    cell.perplexity = number(json, "perplexity");
    cell.top1 = number(json, "top1");
    const Json seconds = json.value("seconds", Json::object());
    cell.quantize_seconds = number(seconds, "quantize");
    cell.window_seconds = number(seconds, "windows");
    cell.task_seconds = number(seconds, "tasks");
    cell.tasks = tasks_of(json);
    for (const Json& layer : list(json, "layers")) cell.layers.push_back(layer_of(layer));
    cell.scales = json.value("scales", Json::object());
    return cell;
}

}  // namespace

bool CellView::calibrated() const {
    return std::any_of(layers.begin(), layers.end(),
                       [](const LayerView& layer) { return layer.output_error > 0; });
}

const CellView* StudyView::find(const std::string& scheme, const std::string& recipe) const {
    for (const CellView& cell : cells)
        if (cell.scheme == scheme && cell.recipe == recipe) return &cell;
    return nullptr;
}

std::vector<const CellView*> StudyView::by_kl() const {
    std::vector<const CellView*> sorted;
    for (const CellView& cell : cells) sorted.push_back(&cell);
    std::stable_sort(sorted.begin(), sorted.end(), [](const CellView* a, const CellView* b) {
        const auto key = [](const CellView* c) { return std::isfinite(c->kl) ? c->kl : HUGE_VAL; };
        return key(a) < key(b);
    });
    return sorted;
}

StudyView study_view(const Json& results) {
    if (!results.is_object() || !results.contains("cells") || !results["cells"].is_array())
        fail("results.json: no \"cells\"; wanted what halfbyte study MODEL writes");
    StudyView view;
    for (const auto& [key, value] : results.items())
        if (key != "cells" && key != "reference") view.about[key] = value;
    const Json reference = results.value("reference", Json::object());
    view.perplexity = number(reference, "perplexity");
    view.tasks = tasks_of(reference);
    for (const Json& site : list(reference, "activations"))
        view.activations.push_back({whole(site, "layer"), text(site, "site"),
                                    text(site, "rotation"), number(site, "kurtosis"),
                                    number(site, "peak"), number(site, "rotated_kurtosis"),
                                    number(site, "rotated_peak")});
    for (const Json& json : results["cells"]) {
        CellView cell = cell_of(json);
        auto at = std::find(view.recipes.begin(), view.recipes.end(), cell.recipe);
        if (at == view.recipes.end()) at = view.recipes.insert(at, cell.recipe);
        cell.recipe_index = static_cast<int>(at - view.recipes.begin());
        if (cell.seed == 0) view.cells.push_back(cell);
        view.all_draws.push_back(std::move(cell));
    }
    return view;
}

std::string shown(double value, int digits) {
    return std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : "-";
}

double recovery(const CellView& cell, const StudyView& study) {
    double sum = 0, reference = 0;
    for (const TaskView& task : cell.tasks) sum += task.accuracy;
    for (const TaskView& task : study.tasks) reference += task.accuracy;
    if (cell.tasks.empty() || cell.tasks.size() != study.tasks.size())
        return std::numeric_limits<double>::quiet_NaN();
    return 100 * sum / reference;
}

}  // namespace hb
