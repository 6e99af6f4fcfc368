// SPDX-License-Identifier: Apache-2.0
// What compressed-tensors calls the parts of a scheme.
#pragma once

#include <string_view>

#include "core/json.hpp"
#include "schemes/scheme.hpp"

namespace hb {

inline constexpr std::string_view kMixed = "mixed-precision";  // the format of several formats
std::string_view format_of(Family family);                     // "nvfp4-pack-quantized"

// "weights" of a group, and its "input_activations" where these are quantized.
Json arguments_of(const Scheme& scheme);
Json input_arguments_of(const Scheme& scheme);

}  // namespace hb
