// SPDX-License-Identifier: Apache-2.0
// Which of the compiled shapes a W4A4 product takes, and how it cuts K: the least of a model's
// times, in cycles of a processor. Benchmarks and tests ask for others.
#pragma once

#include "gpu/w4a4.hpp"

namespace hb::gpu {

struct W4A4Variant {
    const char* name;
    int x_rows;     // of a tile
    bool strict;    // sums leave the tensor core every 64 columns
    double cycles;  // for 128 columns of a row of x
};

int w4a4_variants();
W4A4Variant w4a4_variant(int index);

struct W4A4Plan {
    int variant = 0, slices = 1, slice = 0, band = 8;
};

W4A4Plan w4a4_plan(const W4A4Call& call);
W4A4Plan w4a4_sliced(const W4A4Call& call, int variant, int slices);
std::int64_t w4a4_workspace(const W4A4Call& call, const W4A4Plan& plan);
Status w4a4(const W4A4Call& call, const W4A4Plan& plan, Stream stream);

}  // namespace hb::gpu
