// SPDX-License-Identifier: Apache-2.0
// The rules of NV.
#include "gpu/rotate_quantize.cuh"

namespace hb::gpu {

Status rotate_absmax(const QuantizeArgs& a, Front front, Stream stream) {
    return launch_rotate<Rule::absmax>(a, front, stream);
}
Status rotate_four_over_six(const QuantizeArgs& a, Front front, Stream stream) {
    return launch_rotate<Rule::four_over_six>(a, front, stream);
}
Status rotate_sweep4(const QuantizeArgs& a, Front front, Stream stream) {
    return launch_rotate<Rule::sweep4>(a, front, stream);
}
Status rotate_sweep8(const QuantizeArgs& a, Front front, Stream stream) {
    return launch_rotate<Rule::sweep8>(a, front, stream);
}

}  // namespace hb::gpu
