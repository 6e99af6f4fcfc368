// SPDX-License-Identifier: Apache-2.0
#include "report/study_page.hpp"

#include <fmt/format.h>

namespace hb {
namespace {

struct Section {
    const char *id, *title;
    std::string (*body)(const StudyView&);
};

constexpr Section kSections[] = {
    {"recovery", "What is left of the model", section_recovery},
    {"bits", "Loss against size", section_bits},
    {"layers", "Where the loss is", section_layers},
    {"inputs", "Weights and activations", section_inputs},
    {"outliers", "Outliers before and after rotation", section_outliers},
    {"scales", "Scales", section_scales},
    {"draws", "Spread over calibration draws", section_draws},
    {"cost", "What it took", section_cost},
    {"method", "How it was measured", section_method},
};

}  // namespace

std::vector<LegendEntry> recipe_legend(const StudyView& study) {
    std::vector<LegendEntry> entries;
    for (std::size_t i = 0; i < study.recipes.size(); ++i)
        entries.push_back({study.recipes[i], static_cast<int>(i)});
    return entries;
}

std::string study_page(const Json& results) {
    const StudyView study = study_view(results);
    std::vector<HtmlSection> sections;
    for (const Section& section : kSections)
        if (std::string body = section.body(study); !body.empty())
            sections.push_back({section.id, section.title, std::move(body)});
    const std::string model = study.about.value("model", "a model");
    const auto cells = study.all_draws.size();
    return html_page(
        "Quantization study of " + model,
        fmt::format("{} way{} to quantize the linear layers of one model, each measured against "
                    "the model itself.",
                    cells, cells == 1 ? "" : "s"),
        sections, "Made by halfbyte " + study.about.value("version", "") + " from results.json.");
}

}  // namespace hb
