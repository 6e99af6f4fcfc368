// SPDX-License-Identifier: Apache-2.0
// The study of formats as text for people, and as files.
#pragma once

#include <string>

#include "core/json.hpp"
#include "study/format_study.hpp"

namespace hb {

std::string format_study_text(const FormatStudy& study);
std::string format_study_csv(const FormatStudy& study);  // one line a row, a head line first
// {what..., "rows": arrays by group size for each sample, rotation and choice, "by_group" and
// "by_kurtosis": what a rotation does, for each choice}
std::string format_study_json(const FormatStudy& study, const Json& what);

}  // namespace hb
