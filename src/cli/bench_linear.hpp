// SPDX-License-Identifier: Apache-2.0
// halfbyte bench --linear: one linear of random weights, its input's rotation and quantization and
// its product, together and apart.
#pragma once

#include "cli/bench_result.hpp"

namespace hb {

void bench_linear(const BenchArguments& arguments);

}  // namespace hb
