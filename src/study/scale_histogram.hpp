// SPDX-License-Identifier: Apache-2.0
// Which scales a quantized model uses: of every scale of every linear the octave of its stored
// value, floor(log2), before the tensor's divisor. MX has one scale an octave, NV eight, so that
// NV's range of 18 octaves is what a tensor's scales must fit in.
#pragma once

#include "core/json.hpp"
#include "io/checkpoint.hpp"
#include "model/config.hpp"

namespace hb {

// {"first": octave, "shares": of all scales, by octave, "zeros": share}
Json scale_histogram(const Checkpoint& quantized, const ModelConfig& config);

}  // namespace hb
