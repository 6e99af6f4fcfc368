// SPDX-License-Identifier: Apache-2.0
// Which linears get which scheme: --scheme for all, --scheme-for TARGET=SCHEME for some.
#pragma once

#include "calibration/settings.hpp"

namespace hb {

// The scheme with the rules that the options name, or else the recipe's.
Method make_method(const Scheme& scheme, const Recipe& recipe, const std::string& weight_rule,
                   const std::string& activation_rule);

// Fills quantization.groups and methods: those of modules that are named, then those of patterns,
// and last the one for "Linear", which settings has already. Throws Error when a target matches no
// linear that is quantized, or two patterns of different schemes one, and when linears that clients
// fuse would get different schemes.
void choose_groups(const QuantizeOptions& options, Settings& settings);

// A line where a client that fuses linears would look for a name that no target of theirs matches.
std::optional<std::string> fused_notice(const Settings& settings);

}  // namespace hb
