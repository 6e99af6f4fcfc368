// SPDX-License-Identifier: Apache-2.0
// The AVX2 entry, for every machine that this library runs on.
#include "kernels/table.hpp"

#include "kernels/vector_avx2.inl"

#include "kernels/fast_rules.inl"
#include "kernels/hadamard.inl"
#include "kernels/look.inl"
#include "kernels/multiply.inl"
#include "kernels/mx_rows.inl"
#include "kernels/rows.inl"

namespace hb {

namespace {

void look(const Look& l) {
    look_by(l, kTileRows, multiply);
}

}  // namespace

const Kernels kAvx2Kernels = {
    "avx2",    kTilePanels,   multiply,    expand,        finish,
    transpose, hadamard,      to_lanes,    nullptr,       0,
    to_bf16,   from_bf16,     to_mx_codes, from_mx_codes, kFastRules,
    rms_norm,  silu_multiply, look,        sum_exp,       kl_divergence,
};

}  // namespace hb
