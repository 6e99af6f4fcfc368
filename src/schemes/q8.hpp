// SPDX-License-Identifier: Apache-2.0
// Q8_0, the 8-bit blocks of GGUF: 32 neighbouring columns share an fp16 scale, and each is a signed
// byte. Real value = code * scale; the engine computes with that rounded to bf16.
//
// Chosen here from the largest magnitude A of a group: scale = A / 127 rounded to fp16, code = the
// integer nearest to x / scale (ties to even), between -127 and 127.
#pragma once

#include <cstdint>

#include "core/matrix.hpp"
#include "core/parallel.hpp"

namespace hb {

struct Q8Tensor {
    static constexpr std::int64_t kGroup = 32;
    std::int64_t rows = 0, cols = 0;
    Matrix<std::int8_t> codes;     // (out, in)
    Matrix<std::uint16_t> scales;  // (out, in / 32), fp16
};

// Throws Error when 32 does not divide the columns, and when a number is not finite or too large
// for an fp16 scale.
Q8Tensor quantize_q8(View<const float> w, Threads& threads);  // (out, in)
Matrix<std::uint16_t> dequantize_bf16(const Q8Tensor& q);     // (out, in)

}  // namespace hb
