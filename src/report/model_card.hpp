// SPDX-License-Identifier: Apache-2.0
// The README.md of a quantized checkpoint: what was done to which model, what it cost by kind of
// layer, and who can load it. A function of the run alone: no clock, no host, so that the folder is
// reproducible.
#pragma once

#include <string>

#include "core/json.hpp"

namespace hb {

// run: "model", "scheme", "scheme_for" {target: scheme}, "recipe", "quantizer", "transforms" {qkv,
// o, gate_up, down}, "weight_scales", "activation_scales", "calibration" {source, sequences,
// sequence_length}, "seed", "bits_per_weight", "layers" [{name, weight_mse, output_error, damping,
// dead_columns}], "version". What is absent is left out.
std::string model_card(const Json& run);

}  // namespace hb
