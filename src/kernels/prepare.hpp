// SPDX-License-Identifier: Apache-2.0
// The last steps of making a left side: rows in a buffer are transformed, quantized and stored in
// lane order. Used wherever such rows come from: a matrix, or the sums of a product.
#pragma once

#include "kernels/table.hpp"

namespace hb {

class Preparer {
public:
    // Throws Error when the transform or the quantizer's groups do not divide out.k; q may be null.
    // observed: takes the rows as they are before they are quantized; may be null.
    Preparer(const Kernels& kernels, const Transform& t, const ActivationQuantizer* q, Operand& out,
             Operand* observed = nullptr);

    // x (rows, width) without gaps, a few rows: columns [column, column + width) of rows
    // [row, row + rows). Both x and `spare`, of the same size, are overwritten. column and width
    // are multiples of 32 and of the transform's block; what lies behind k is taken as zero. Where
    // a row has one scale, the columns are all of it.
    void operator()(float* x, float* spare, std::int64_t row, std::int64_t rows,
                    std::int64_t column, std::int64_t width) const;

private:
    void transform_row(float* x, std::int64_t n) const;
    void quantize_rows(const float* x, std::int64_t row, std::int64_t rows, std::int64_t n,
                       std::int64_t width, float* y) const;
    void store_rows(const float* x, std::int64_t row, std::int64_t rows, std::int64_t column,
                    std::int64_t width, Operand& out) const;
    void make_whole_row(std::int64_t row, std::int64_t column, std::int64_t width) const;

    const Kernels& kernels_;
    const Transform& transform_;
    const ActivationQuantizer* quantizer_;
    QuantizeRow fast_;
    bool fast_transform_;
    AlignedVector<float> signs_;  // of one block
    Operand& out_;
    Operand* observed_;
};

}  // namespace hb
