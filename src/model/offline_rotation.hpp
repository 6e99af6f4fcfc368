// SPDX-License-Identifier: Apache-2.0
// A rotated model that any client runs (QuaRot's R1 and R2, arXiv 2404.00456, block by block): the
// residual stream h becomes h R, and what a head takes from v becomes v S, both folded into the
// weights. The model computes what it did, while the inputs of q, k, v, gate, up and o are rotated.
#pragma once

#include <functional>
#include <string>

#include "io/checkpoint.hpp"
#include "model/config.hpp"
#include "transforms/transform.hpp"

namespace hb {

struct OfflineRotation {
    Transform residual;  // R, whose block divides the hidden size
    Transform heads;     // S, whose block divides the size of a head
};

// The dense model, each tensor rotated when it is read. A tied head is untied: it takes the final
// norm's weight. `wide`: names of tensors that are presented in fp32, as they are to be quantized;
// the others keep their type and are rounded to it once.
Checkpoint rotate_offline(Checkpoint dense, const OfflineRotation& rotation,
                          const std::function<bool(const std::string&)>& wide);

}  // namespace hb
