// SPDX-License-Identifier: Apache-2.0
// What the machine could do at most, measured now: the two lines of a roofline. Arithmetic: the
// instruction that an instruction set's products are made of (fp32 multiply-add, or TDPBF16PS on
// tiles), repeated on registers by every thread. Memory: every thread reads its parts of a buffer
// larger than the last cache, several streams side by side.
#pragma once

#include "kernels/kernels.hpp"

namespace hb {

// GFLOP/s, a multiply-add counted as two; "ref" is held against AVX2.
double roof_gflops(const Kernels& kernels, Threads& threads);
double roof_gigabytes_per_second(Threads& threads);
// That a buffer needs to be larger than the last cache: twice it, from 256 MB to 1 GB.
std::int64_t bytes_beyond_cache();

}  // namespace hb
