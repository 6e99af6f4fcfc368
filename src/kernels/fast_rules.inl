// SPDX-License-Identifier: Apache-2.0
// The fast rules of an instruction set in the order of FastRules.
#pragma once

#include "kernels/quantize_mx.inl"
#include "kernels/quantize_nv.inl"

namespace hb {
namespace {

constexpr FastRules kFastRules = {
    mx_from_magnitude<2, kNever>,
    mx_from_magnitude<2, kFraction175>,
    mx_from_magnitude<0, kNever>,
    mx_from_magnitude<2, kAbove15>,
    mx_from_magnitude<2, kAbove18125>,
    mx_best_of_three<2>,
    mx_best_of_three<0>,
    mxint8_rceil,
    nv_absmax,
    nv_four_over_six,
    nv_sweep4,
    nv_sweep8,
    nv_sweep,
};

}  // namespace
}  // namespace hb
