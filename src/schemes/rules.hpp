// SPDX-License-Identifier: Apache-2.0
// The rules of each family; all_scale_rules() is their union. A new rule is a line in its family's
// table.
#pragma once

#include <span>

#include "schemes/scale_rule.hpp"

namespace hb {

std::span<const ScaleRule> mx_rules();
std::span<const ScaleRule> nv_rules();
std::span<const ScaleRule> integer_rules();
std::span<const ScaleRule> zeroed_rules();
std::span<const ScaleRule> row_rules();

}  // namespace hb
