// SPDX-License-Identifier: Apache-2.0
// A quantized matrix in the one order used in memory: two neighbouring columns in a byte, the even
// one in the low nibble; scales row-major, one for each group of columns.
#pragma once

#include <cstdint>
#include <vector>

#include "core/matrix.hpp"
#include "schemes/scheme.hpp"

namespace hb {

// The scales of a matrix before its elements are chosen.
struct Scales {
    float divisor = 1;
    Matrix<std::uint16_t> bits;  // (out, in / group)
};

struct QTensor {
    const Scheme* scheme = nullptr;
    std::int64_t rows = 0, cols = 0;
    Matrix<std::uint8_t> codes;  // (out, in / 2)
    Scales scales;               // (out, in / group)

    std::uint8_t code(std::int64_t r, std::int64_t c) const {
        return static_cast<std::uint8_t>(codes(r, c / 2) >> (c % 2 * 4) & 15);
    }
};

// Rounds every element of w to its group's step: code = encode(w / step). Throws Error when the
// columns do not divide into groups.
QTensor quantize(View<const float> w, const Scheme& scheme, Scales scales);  // (out, in)
// element * scale / divisor in fp32.
Matrix<float> dequantize(const QTensor& q);  // (out, in)
// element * scale without the divisor: exact in bf16 for MX and NV; rounded to bf16 for integers.
Matrix<std::uint16_t> dequantize_bf16(const QTensor& q);  // (out, in)

}  // namespace hb
