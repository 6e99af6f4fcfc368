// SPDX-License-Identifier: Apache-2.0
// Channels that are scaled so that inputs and weights round alike: x' = x diag(d), W' = W
// diag(1/d), with d folded into what makes x, so that the model computes what it did and any client
// runs it (as SmoothQuant, arXiv 2211.10438, and AWQ, 2306.00978, fold theirs):
//
//     input of     d goes into                       input of     d goes into
//     q, k, v      the attention norm's weight       gate, up     the MLP norm's weight
//     o            the rows of v, and its bias       down         the rows of up, and its bias
//
// WHICH d. Within a block that is rotated, rounding adds noise in proportion to the block's energy,
// evenly over its channels. With x_i the energy of channel i of the input and w_i that of column i
// of the weights, noise in x costs (sum x_i)(sum w_i), noise in W the same. Under d it is (sum
// d_i^2 x_i)(sum w_i / d_i^2), least where d_i^4 = w_i / x_i, when it is (sum sqrt(x_i w_i))^2
// (Cauchy and Schwarz). The diagonal part of WUSH (arXiv 2512.00956).
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "io/checkpoint.hpp"

namespace hb {

// Of one block: d of its four sites, empty where nothing is scaled; that of o for v's channels,
// (kv_heads * head_dim), as the heads that share them see the same.
using ChannelScales = std::array<std::vector<float>, 4>;

// d of energies of a site's channels, both raised by 1 % of their means; geometric mean 1.
std::vector<float> balance(const std::vector<double>& inputs, const std::vector<double>& weights);

// The dense model, each tensor scaled when it is read. A norm's weight is rounded to its type, and
// d is what that leaves of it. `wide`: as in rotate_offline.
Checkpoint balance_channels(Checkpoint dense, const std::vector<ChannelScales>& scales,
                            const std::function<bool(const std::string&)>& wide);

}  // namespace hb
