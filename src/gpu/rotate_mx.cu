// SPDX-License-Identifier: Apache-2.0
// The rules of MX.
#include "gpu/rotate_quantize.cuh"

namespace hb::gpu {

Status rotate_fp_quant(const QuantizeArgs& a, Front front, Stream stream) {
    return launch_rotate<Rule::fp_quant>(a, front, stream);
}
Status rotate_ceil725(const QuantizeArgs& a, Front front, Stream stream) {
    return launch_rotate<Rule::ceil725>(a, front, stream);
}
Status rotate_mse(const QuantizeArgs& a, Front front, Stream stream) {
    return launch_rotate<Rule::mse>(a, front, stream);
}

}  // namespace hb::gpu
