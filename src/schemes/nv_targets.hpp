// SPDX-License-Identifier: Apache-2.0
// Where the NVFP4 rules of fixed multipliers try to put a group's largest magnitude A: the scale is
// A / t for each t. The specification and the wide kernels read the same numbers.
#pragma once

namespace hb {

inline constexpr float kFourOverSix[] = {6.f, 4.f};
inline constexpr float kSweep4[] = {6.75f, 6.25f, 5.75f, 4.f};
inline constexpr float kSweep8[] = {6.75f, 6.25f, 6.f, 5.75f, 5.5f, 4.5f, 4.25f, 4.f};

}  // namespace hb
