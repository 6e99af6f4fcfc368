// SPDX-License-Identifier: Apache-2.0
// The rules of NV.
#include "gpu/rotate_quantize.cuh"

namespace hb::gpu {

template Status launch_rotate<Rule::absmax>(const QuantizeArgs&, Front, Stream);
template Status launch_rotate<Rule::four_over_six>(const QuantizeArgs&, Front, Stream);
template Status launch_rotate<Rule::sweep4>(const QuantizeArgs&, Front, Stream);
template Status launch_rotate<Rule::sweep8>(const QuantizeArgs&, Front, Stream);

}  // namespace hb::gpu
