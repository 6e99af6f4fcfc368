// SPDX-License-Identifier: Apache-2.0
// Activations on their way into a quantized product, in one pass over memory: what stands in front
// (RMSNorm, SiLU * up), a rotation of blocks of columns, the choice of each group's scale, codes.
// All of it equals the CPU reference bit for bit (src/schemes, src/transforms), but for rotations
// by a given matrix, which the tensor cores sum in an order of their own.
#pragma once

#include "gpu/status.hpp"

namespace hb::gpu {

enum class Format { mxfp4, nvfp4, fp8, int8 };  // fp8, int8: a scale a row
enum class Rule {
    fp_quant,  // MX, divisor 3
    ceil725,   // MX
    mse,       // MX, best of three exponents
    absmax,    // NV, fp8, int8
    four_over_six,
    sweep4,
    sweep8,
};
enum class Front { none, rms_norm, silu_up };
// swizzled: the scales of 128 rows by 4 groups in 512 bytes, as block-scaled tensor cores read them
// (swizzle.hpp).
enum class ScaleLayout { rows, swizzled };

// folded: MXFP4 as W4A4's products take it (fold.cuh): E5M2 bytes and a factor for each row. A row
// whose scales spread over more than 2^28 is zeros there and lies in several extra rows behind the
// others, whose sum it is; without room for them its factor is NaN.
enum class Output { codes, folded };

struct Rotation {
    int block = 1;                 // 1: none; 16, 32, 64, 128
    const void* matrix = nullptr;  // bf16 (block, block), x' = x T; null: Hadamard
};

struct QuantizeCall {
    std::int64_t rows = 0, cols = 0;
    Format format = Format::mxfp4;
    Rule rule = Rule::ceil725;
    Rotation rotation;
    ScaleLayout scale_layout = ScaleLayout::rows;
    float divisor = 1;  // NV: stands over the scales; MX has its rule's own

    const void* x = nullptr;    // bf16 (rows, cols), 16-byte aligned
    std::int64_t x_stride = 0;  // elements from row to row, a multiple of 8
    Front front = Front::none;
    const void* front_operand = nullptr;  // bf16: weights (cols) of the norm; up, laid out as x
    float epsilon = 0;

    void* codes =
        nullptr;  // (rows, cols / 2), the even column in the low nibble; 8 bits: (rows, cols)
    void* scales = nullptr;  // bytes (rows, cols / group) or swizzled; a scale a row: fp32 (rows)

    Output output = Output::codes;  // folded: codes (rows + extra_rows, cols), scales fp32, as many
    std::int64_t extra_rows = 0;
    int* extra_of = nullptr;          // (extra_rows): of which row, -1: of none
    unsigned* extra_count = nullptr;  // how many were wanted
};

Status quantize(const QuantizeCall& call, Stream stream);

}  // namespace hb::gpu
