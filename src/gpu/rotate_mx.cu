// SPDX-License-Identifier: Apache-2.0
// The rules of MX.
#include "gpu/rotate_quantize.cuh"

namespace hb::gpu {

template Status launch_rotate<Rule::fp_quant>(const QuantizeArgs&, Front, Stream);
template Status launch_rotate<Rule::ceil725>(const QuantizeArgs&, Front, Stream);
template Status launch_rotate<Rule::mse>(const QuantizeArgs&, Front, Stream);

}  // namespace hb::gpu
