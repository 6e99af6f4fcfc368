// SPDX-License-Identifier: Apache-2.0
// The launchers of every rule; each file that defines some names the rules it compiles them for.
#pragma once

#include "gpu/quantize_args.cuh"

namespace hb::gpu {

// Hadamard or nothing: rotate_mx.cu, rotate_nv.cu.
template <Rule kRule>
Status launch_rotate(const QuantizeArgs& a, Front front, Stream stream);

// By a given matrix, nothing in front: rotate_matrix.cu.
template <Rule kRule>
Status launch_matrix(const QuantizeArgs& a, const void* matrix, Stream stream);

Status rotate_folded(const QuantizeArgs& a, Rule rule, Front front, Stream stream);
Status rotate_fp8(const QuantizeArgs& a, Front front, Stream stream);
Status rotate_int8(const QuantizeArgs& a, Front front, Stream stream);

}  // namespace hb::gpu
