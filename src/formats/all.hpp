// SPDX-License-Identifier: Apache-2.0
// The formats. A new one is a file, a line here, and it is under every law of tests/formats.
#pragma once

#include "formats/e2m1.hpp"
#include "formats/e4m3.hpp"
#include "formats/e8m0.hpp"
#include "formats/int4.hpp"
#include "formats/int8.hpp"

namespace hb {

template <Format... F>
struct TypeList {};

using AllFormats = TypeList<  //
    E2M1,                     // FP4 element of MX and NV
    E4M3,                     // group scale of NV
    E8M0,                     // group scale of MX
    Int4,                     // element of the integer schemes
    Int8>;                    // element of 8-bit files

}  // namespace hb
