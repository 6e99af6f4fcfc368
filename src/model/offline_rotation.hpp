// SPDX-License-Identifier: Apache-2.0
// A rotated model that any client runs (QuaRot's R1 and R2, arXiv 2404.00456, block by block): the
// residual stream h becomes h R, and what a head takes from v becomes v S, both folded into the
// weights. The model computes what it did, while the inputs of q, k, v, gate, up and o are rotated.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "io/checkpoint.hpp"
#include "model/config.hpp"
#include "transforms/transform.hpp"

namespace hb {

struct OfflineRotation {
    Transform residual;                    // R, whose block divides the hidden size
    Transform heads;                       // S, whose block divides the size of a head
    std::vector<std::int64_t> order = {};  // of h's channels, before R; empty: as they are
    // The first ones of that order, whole blocks, that R leaves alone: their norms keep their
    // weights.
    std::int64_t kept = 0;
};

// By the size of the norms' weights, the mean of |g| / mean |g| over the blocks' norms. Were g the
// same within each block of R, rounding x R would be rounding (x g) R; the nearer it is to that,
// the less of the rounding of large channels meets large weights. The first channels are those that
// norms hold down: the one that carries most of h where a text begins is among them. A block of
// them that is kept costs its rounding and no other's.
std::vector<std::int64_t> channels_by_norms(const Checkpoint& dense);

// The dense model, each tensor rotated when it is read. A tied head is untied: it takes the final
// norm's weight. `wide`: names of tensors that are presented in fp32, as they are to be quantized;
// the others keep their type and are rounded to it once.
Checkpoint rotate_offline(Checkpoint dense, const OfflineRotation& rotation,
                          const std::function<bool(const std::string&)>& wide);

}  // namespace hb
