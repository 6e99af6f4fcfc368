// SPDX-License-Identifier: Apache-2.0
// Every task in plain C++, the oracle of the others: same operations, same order, same bits. Its
// rules refuse everything, which leaves quantization to the reference of schemes/.
#include "kernels/ref_look.inl"

namespace hb {
namespace {

bool refuse(const float*, std::int64_t, float, float*) {
    return false;
}

}  // namespace

const Kernels kRefKernels = {
    "ref",
    kTilePanels,
    multiply,
    expand,
    finish,
    transpose,
    hadamard,
    to_lanes,
    nullptr,
    0,
    to_bf16,
    from_bf16,
    to_mx_codes,
    from_mx_codes,
    {refuse, refuse, refuse, refuse, refuse, refuse, refuse, refuse, refuse, refuse, refuse, refuse,
     refuse},
    rms_norm,
    silu_multiply,
    look,
    sum_exp,
    kl_divergence,
};

}  // namespace hb
