// SPDX-License-Identifier: Apache-2.0
// What a decoder needs from a checkpoint, checked before anything is loaded.
#pragma once

#include "io/checkpoint.hpp"
#include "model/config.hpp"

namespace hb {

// The checkpoint's config.json, parsed.
ModelConfig model_config(const Checkpoint& checkpoint);

// Throws Error naming the first tensor that is missing, has another shape than the config says, or
// does not hold numbers. A linear may be dense (M.weight) or quantized (M.weight_packed and its
// scales). Other tensors are ignored, except experts, which are refused.
void check_model_tensors(const Checkpoint& checkpoint, const ModelConfig& config);

}  // namespace hb
