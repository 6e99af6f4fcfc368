// SPDX-License-Identifier: Apache-2.0
// The AVX-512 entry, for machines with VNNI. vdpbf16ps is not used: it runs at half the rate of
// fp32 multiply-adds.
#include "kernels/table.hpp"

#include "kernels/vector_avx512.inl"

#include "kernels/fast_rules.inl"
#include "kernels/hadamard.inl"
#include "kernels/look.inl"
#include "kernels/multiply_q8_ints.inl"
#include "kernels/mx_rows.inl"
#include "kernels/rows.inl"

namespace hb {

namespace {

void look(const Look& l) {
    look_by(l, kTileRows, multiply);
}

}  // namespace

const Kernels kAvx512Kernels = {
    "avx512vnni", kTilePanels, multiply_any,  expand,  finish,    transpose,     hadamard,
    to_lanes,     to_whole,    kAnyRows,      to_bf16, from_bf16, to_mx_codes,   from_mx_codes,
    kFastRules,   rms_norm,    silu_multiply, look,    sum_exp,   kl_divergence,
};

}  // namespace hb
