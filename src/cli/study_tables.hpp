// SPDX-License-Identifier: Apache-2.0
// The study of formats as text for people, and as files.
#pragma once

#include <string>

#include "core/json.hpp"
#include "study/format_study.hpp"

namespace hb {

std::string format_study_text(const FormatStudy& study);
std::string format_study_csv(const FormatStudy& study);  // one line a row, a head line first
// {what..., "rows": [...], "by_group": [...], "by_kurtosis": [...]}, an entry of an array in one
// line. Figures of neighbouring group sizes, or of rising kurtosis, are one array.
std::string format_study_json(const FormatStudy& study, const Json& what);

}  // namespace hb
