// SPDX-License-Identifier: Apache-2.0
// How much each channel of a site's input carries, and each column of the weights that read it: one
// pass of the dense model over some of the calibration tokens, a block in memory at a time.
#pragma once

#include <functional>
#include <vector>

#include "calibration/settings.hpp"
#include "kernels/kernels.hpp"
#include "model/balanced_channels.hpp"

namespace hb {

constexpr std::int64_t kEnergyTokens = 16384;

// d for each block and each site that has quantized linears. tokens: (sequences, length), of which
// as many sequences as make kEnergyTokens are taken, evenly spread. on_block(layer) before each.
std::vector<ChannelScales> balancing_scales(const Settings& settings, const Checkpoint& dense,
                                            const Kernels& kernels, Threads& threads,
                                            View<const std::int32_t> tokens,
                                            const std::function<void(std::int64_t)>& on_block);

}  // namespace hb
