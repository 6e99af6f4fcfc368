// SPDX-License-Identifier: Apache-2.0
// The dot product of kernels.hpp as it is written there, of every kind of right side, and what ends
// a product.
#pragma once

#include <cmath>
#include <cstring>

#include "core/float_bits.hpp"
#include "kernels/table.hpp"

namespace hb {
namespace {

float element(const std::uint16_t* narrow, const float* wide, std::int64_t i) {
    return narrow ? bf16_to_float(narrow[i]) : wide[i];
}

float q8_scale(const std::uint8_t* b, int l) {
    std::uint16_t scale;
    std::memcpy(&scale, b + q8_scale_byte(l), 2);
    return f16_to_float(scale);
}

// Position i of row l in a coded block.
float coded_element(const std::uint8_t* b, Coding coding, int l, int i) {
    if (coding == Coding::int8) return static_cast<float>(b[q8_code_byte(l, i)] - 128);
    if (coding == Coding::q8) {
        const int code = b[q8_code_byte(l, i)] - 128;
        return round_to_bf16(static_cast<float>(code) * q8_scale(b, l)) + 0.f;
    }
    const Family family = coding == Coding::mx ? Family::mx : Family::nv;
    const auto code = static_cast<std::uint8_t>(b[code_byte(l, i)] >> code_shift(i) & 15);
    return decode_element(family, code) * decode_scale(family, b[scale_byte(coding, l, i)]);
}

void expand(const std::uint8_t* from, Coding coding, bool, std::int64_t blocks,
            std::uint16_t* out) {
    for (std::int64_t block = 0; block < blocks; ++block, from += coded_bytes(coding)) {
        for (int i = 0; i < kTile; ++i)
            *out++ = float_to_bf16(coded_element(from, coding, i / 2 % 16, i / 32 * 2 + i % 2));
    }
}

// Position i of row l in a block of m's right side.
float right_element(const Multiply& m, int panel, std::int64_t block, int l, int i) {
    if (!m.coded_b) {
        return element(m.narrow_b, m.wide_b,
                       panel * m.b_stride + block * kTile + i / 2 * 32 + 2 * l + i % 2);
    }
    const std::uint8_t* b = m.coded_b + panel * m.b_stride + block * coded_bytes(m.coding);
    return coded_element(b, m.coding, l, i);
}

// (s0 + s1) scale of a block that is scaled late.
float late_dot(const Multiply& m, int r, const std::uint8_t* b, std::int64_t block, int l) {
    float s[2] = {};
    for (int i = 0; i < kBlock; ++i) {
        const int code = b[q8_code_byte(l, i)] - 128;
        s[i % 2] = std::fma(element(m.narrow_a, m.wide_a, left_index(m, r, block) + i),
                            static_cast<float>(code), s[i % 2]);
    }
    return (s[0] + s[1]) * q8_scale(b, l);
}

// acc = acc + (s0 + s1) over the blocks of row r of a and row l of a panel.
float dot(const Multiply& m, int r, int panel, int l, float acc) {
    for (std::int64_t block = 0; block < m.blocks; ++block) {
        if (m.late) {
            const std::uint8_t* b = m.coded_b + panel * m.b_stride + block * coded_bytes(m.coding);
            acc = acc + late_dot(m, r, b, block, l);
            continue;
        }
        float s[2] = {};
        for (int i = 0; i < kBlock; ++i) {
            const std::int64_t in_a = left_index(m, r, block) + i;
            s[i % 2] = std::fma(element(m.narrow_a, m.wide_a, in_a),
                                right_element(m, panel, block, l, i), s[i % 2]);
        }
        acc = acc + (s[0] + s[1]);
    }
    return acc;
}

void multiply(const Multiply& m) {
    for (int r = 0; r < m.rows; ++r) {
        for (int column = 0; column < 16 * m.panels; ++column) {
            float& c = m.c[r * m.c_stride + column];
            c = dot(m, r, column / 16, column % 16, m.resume ? c : 0);
        }
    }
}

void finish(const Finish& f) {
    for (std::int64_t r = 0; r < f.rows; ++r) {
        for (std::int64_t i = 0; i < f.columns; ++i) {
            float& c = f.c[r * f.c_stride + i];
            const float alpha = f.column_scales ? f.alpha * f.column_scales[i] : f.alpha;
            float scaled = alpha * f.acc[r * f.acc_stride + i];
            if (f.row_scales) scaled = scaled * f.row_scales[r];
            c = f.add ? c + scaled : scaled;
            if (f.bias) c = c + f.bias[i];
        }
    }
}

void transpose(const std::uint32_t* const (&x)[32], std::uint32_t* const (&tiles)[2],
               std::uint32_t* const (&rows)[2]) {
    for (int side = 0; side < 2; ++side) {
        for (int j = 0; j < 16; ++j) {
            for (int i = 0; i < 16; ++i) {
                const std::uint32_t even = x[j][i] >> 16 * side & 0xffffu,
                                    odd = x[j + 16][i] >> 16 * side & 0xffffu;
                tiles[side][16 * j + i] = rows[side][16 * i + j] = even | odd << 16;
            }
        }
    }
}
}  // namespace
}  // namespace hb
