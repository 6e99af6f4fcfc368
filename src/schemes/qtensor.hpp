// SPDX-License-Identifier: Apache-2.0
// A quantized matrix in the one order used in memory: two neighbouring columns in a byte, the even
// one in the low nibble, or a column of 8 bits in a byte; scales row-major, one for each group of
// columns, and so are zero points.
#pragma once

#include <cstdint>
#include <vector>

#include "core/matrix.hpp"
#include "schemes/scheme.hpp"

namespace hb {

// The scales of a matrix before its elements are chosen.
struct Scales {
    float divisor = 1;
    Matrix<std::uint16_t> bits;       // (out, in / group)
    Matrix<std::uint8_t> zeros = {};  // the same, as element codes; empty where there are none
};
// Room for the scales of a (rows, cols) matrix, and for zero points where the scheme has them.
Scales make_scales(const Scheme& scheme, std::int64_t rows, std::int64_t cols, float divisor = 1);
Scales middle_rows(const Scales& scales, std::int64_t first, std::int64_t count);

struct QTensor {
    const Scheme* scheme = nullptr;
    std::int64_t rows = 0, cols = 0;
    Matrix<std::uint8_t> codes;  // (out, in / 2), or (out, in) of 8 bits
    Scales scales;               // (out, in / group)

    std::uint8_t code(std::int64_t r, std::int64_t c) const {
        if (scheme->element_bits() == 8) return codes(r, c);
        return static_cast<std::uint8_t>(codes(r, c / 2) >> (c % 2 * 4) & 15);
    }
    float zero(std::int64_t r, std::int64_t group) const {
        return scales.zeros.empty() ? 0 : decode_element(scheme->family, scales.zeros(r, group));
    }
};
// Room for the codes of a matrix under these scales.
QTensor make_qtensor(const Scheme& scheme, std::int64_t rows, std::int64_t cols, Scales scales);

// Rounds every element of w to its group's step: code = encode(w / step), of a scheme with zero
// points encode(w / step + zero). Throws Error when the columns do not divide into groups.
QTensor quantize(View<const float> w, const Scheme& scheme, Scales scales);  // (out, in)
// (element - zero) * (scale / divisor), each rounded to fp32.
Matrix<float> dequantize(const QTensor& q);  // (out, in)
// What products multiply by, (element - zero) * scale without the divisor: exact in bf16 for MX and
// NV; rounded to bf16 for groups of integers. Where a row has one scale, the element alone, exact.
Matrix<std::uint16_t> dequantize_bf16(const QTensor& q);  // (out, in)
// The scales that this leaves out, (out); empty where there are none.
std::vector<float> row_scales(const QTensor& q);

}  // namespace hb
