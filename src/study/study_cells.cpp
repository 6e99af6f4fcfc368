// SPDX-License-Identifier: Apache-2.0
#include "study/study_cells.hpp"

#include <algorithm>
#include <set>

#include "calibration/settings.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "recipes/recipe.hpp"
#include "transforms/transform.hpp"

namespace hb {
namespace {

StudyCell cell_of(const ModelStudyOptions& options, const std::string& scheme,
                  const std::string& recipe) {
    StudyCell cell{scheme, recipe, 0, {}};
    const auto plus = recipe.find('+');
    cell.quantize.model = options.model;
    cell.quantize.scheme = scheme;
    cell.quantize.recipe = recipe.substr(0, plus);
    if (plus != std::string::npos) cell.quantize.transform = recipe.substr(plus + 1);
    cell.quantize.threads = options.threads;
    cell.quantize.resume = true;
    return cell;
}

// A name that nobody knows is a mistake; a block that does not divide is a cell that is left out.
void check_recipe(const std::string& recipe) {
    const auto plus = recipe.find('+');
    find_recipe(recipe.substr(0, plus));
    if (plus == std::string::npos) return;
    const std::string kind = recipe.substr(plus + 1, recipe.find(':', plus) - plus - 1);
    std::string known = "none, auto";
    for (const TransformKind& one : all_transforms()) {
        if (one.name == kind) return;
        known += ", " + std::string(one.name);
    }
    if (kind != "none" && kind != "auto")
        fail("--recipes {}: unknown transform '{}'; choose one of: {}", recipe, kind, known);
}

// Nothing when the model can be quantized so.
std::string refusal(const StudyCell& cell, const Checkpoint& checkpoint) {
    try {
        make_settings(cell.quantize, checkpoint);
    } catch (const Error& error) {
        const std::string text = error.what(), where = checkpoint.path().string() + ": ";
        return text.starts_with(where) ? text.substr(where.size()) : text;
    }
    return "";
}

bool inputs_of_4_bits(const std::string& name) {
    const Scheme& scheme = find_scheme(name);
    return scheme.quantized_activations && scheme.element_bits() == 4;
}

}  // namespace

StudyMatrix make_matrix(const ModelStudyOptions& options, const Checkpoint& checkpoint) {
    StudyMatrix matrix;
    std::set<std::pair<std::string, std::string>> seen;
    for (const std::string& recipe : options.recipes) {
        check_recipe(recipe);
        for (const std::string& scheme : options.schemes) {
            find_scheme(scheme);
            if (!seen.emplace(scheme, recipe).second)
                fail("{} under {} is named twice; name each scheme and recipe once", scheme,
                     recipe);
            const StudyCell cell = cell_of(options, scheme, recipe);
            if (const std::string reason = refusal(cell, checkpoint); reason.empty())
                matrix.cells.push_back(cell);
            else
                matrix.left_out.push_back({scheme, recipe, reason});
        }
    }
    if (matrix.cells.empty())
        fail("no cell is left: {}",
             matrix.left_out.empty() ? "give --schemes and --recipes" : matrix.left_out[0].reason);
    const auto once = matrix.cells;
    for (std::uint64_t draw = 1; draw < static_cast<std::uint64_t>(options.seeds); ++draw)
        for (StudyCell cell : once) {
            if (cell.recipe != options.recipes.back() || !inputs_of_4_bits(cell.scheme)) continue;
            cell.draw = cell.quantize.seed = draw;
            matrix.cells.push_back(std::move(cell));
        }
    return matrix;
}

Json reference_key(const StudyData& data, const Draw& draw) {
    Json key = {{"version", HALFBYTE_VERSION},    {"model", data.fingerprint},
                {"calibration", draw.digest},     {"calibration_length", draw.length},
                {"windows", data.windows_digest}, {"window", data.windows.cols}};
    if (!data.tasks.empty()) key["tasks"] = data.tasks_digest;
    return key;
}

Json key_of(const StudyCell& cell, const StudyData& data, const Draw& draw) {
    Json key = reference_key(data, draw);
    key["scheme"] = cell.scheme;
    key["recipe"] = cell.recipe;
    key["seed"] = cell.draw;
    return key;
}

std::string cell_name(const std::string& what, const Json& key) {
    std::string name = fmt::format("{}-{:08x}", what, digest(key.dump()) >> 32);
    std::replace_if(
        name.begin(), name.end(), [](char c) { return c == ':' || c == '/'; }, '.');
    return name;
}

std::optional<Json> stored_result(const std::filesystem::path& folder, const Json& key,
                                  const std::vector<std::string>& fields,
                                  const std::function<void(const std::string&)>& notice) {
    const auto file = folder / "result.json";
    if (!std::filesystem::exists(file)) return std::nullopt;
    const Json result = Json::parse(read_file(file), nullptr, false);
    const bool whole = result.is_object() && result.value("key", Json()) == key &&
                       std::all_of(fields.begin(), fields.end(), [&](const std::string& field) {
                           return result.contains(field);
                       });
    if (whole) return result;
    if (notice)
        notice(fmt::format("{}: not this cell's result; computing it again", file.string()));
    return std::nullopt;
}

}  // namespace hb
