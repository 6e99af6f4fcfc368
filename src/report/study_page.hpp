// SPDX-License-Identifier: Apache-2.0
// The report of a study as one page, and its rows as CSV. A section is a function of the results
// and a line of the table in study_page.cpp; one that has nothing to show gives no text and is left
// out.
#pragma once

#include "core/json.hpp"
#include "report/html.hpp"
#include "report/study_view.hpp"

namespace hb {

std::string study_page(const Json& results);
std::string study_csv(const Json& results);

std::string section_recovery(const StudyView& study);
std::string section_bits(const StudyView& study);
std::string section_layers(const StudyView& study);
std::string section_inputs(const StudyView& study);
std::string section_outliers(const StudyView& study);
std::string section_scales(const StudyView& study);
std::string section_draws(const StudyView& study);
std::string section_cost(const StudyView& study);
std::string section_method(const StudyView& study);

// A legend of the study's recipes, as marks.
std::vector<LegendEntry> recipe_legend(const StudyView& study);

}  // namespace hb
