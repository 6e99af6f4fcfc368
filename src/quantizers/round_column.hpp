// SPDX-License-Identifier: Apache-2.0
// One column of a strip of rows, rounded without branches so that the compiler makes vectors of it.
// It chooses the code that encode_element chooses, bit for bit.
#pragma once

#include <cstdint>

#include "schemes/scheme.hpp"

namespace hb {

// codes[r] = encode(targets[r] / steps[r] + zeros[r]); weights[r] becomes its error, weights[r] -
// value. Steps are above zero; zeros are read only of a family that has them.
void round_column(Family family, const float* targets, const float* steps, const float* zeros,
                  float* weights, std::uint8_t* codes, int rows);

}  // namespace hb
