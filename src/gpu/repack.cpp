// SPDX-License-Identifier: Apache-2.0
// Weights into the order of w4a16_layout.hpp, on the host, once. Rows and columns are padded with
// zeros to whole units.
#include <bit>
#include <cmath>
#include <cstring>

#include "gpu/w4a16_layout.hpp"

namespace hb::gpu {

namespace {

// Bits of an E2M1 code (sign, exponent, exponent, mantissa) in a half word, by register.
constexpr int kPlaces[4][4] = {{15, 8, 7, 6}, {12, 5, 4, 3}, {9, 2, 1, 0}, {14, 13, 11, 10}};

std::uint32_t placed(bool e2m1, int r, unsigned code) {
    if (!e2m1) return code << 4 * r;
    std::uint32_t half = 0;
    for (int bit = 0; bit < 4; ++bit) half |= (code >> (3 - bit) & 1u) << kPlaces[r][bit];
    return half;
}

int group_of(WeightFormat format) {
    return format == WeightFormat::nvfp4 ? 16 : format == WeightFormat::int4g128 ? 128 : 32;
}

// An E4M3 code above zero with five bits of exponent and no subnormals: its exponent plus 2.
unsigned wide_exponent(unsigned code) {
    const unsigned exponent = code >> 3 & 15u, mantissa = code & 7u;
    if (exponent > 0) return (exponent + 2) << 3 | mantissa;
    const auto log = static_cast<unsigned>(std::bit_width(mantissa)) - 1;
    return log << 3 | ((mantissa << (3 - log)) & 7u);
}

struct Repacker {
    const W4A16Weights& w;
    std::uint8_t* codes;
    std::uint8_t* scales;
    int offset;  // MX: of the exponents

    bool e2m1() const { return w.format == WeightFormat::mxfp4 || w.format == WeightFormat::nvfp4; }

    unsigned scale_byte(std::int64_t row, std::int64_t group) const {
        return static_cast<const std::uint8_t*>(
            w.scales)[row * (w.in / group_of(w.format)) + group];
    }

    unsigned code(std::int64_t row, std::int64_t col) const {
        const unsigned zero = e2m1() ? 0 : 8;
        if (row >= w.out || col >= w.in) return zero;
        if (w.format == WeightFormat::nvfp4 && scale_byte(row, col / 16) == 0) return zero;
        return static_cast<const std::uint8_t*>(w.codes)[row * (w.in / 2) + col / 2] >>
                   col % 2 * 4 &
               15u;
    }

    // Stored scale of a group, given by any of its columns.
    unsigned scale(std::int64_t row, std::int64_t col) const {
        if (row >= w.out || col >= w.in) return 0;
        const std::int64_t group = col / group_of(w.format);
        if (!e2m1()) {
            std::uint16_t bf16;
            std::memcpy(&bf16,
                        static_cast<const char*>(w.scales) +
                            2 * (row * (w.in / group_of(w.format)) + group),
                        2);
            return bf16;
        }
        const unsigned byte = scale_byte(row, group);
        if (w.format == WeightFormat::mxfp4)
            return static_cast<unsigned>(static_cast<int>(byte) + 126 - offset);
        return byte == 0 ? 0 : wide_exponent(byte);
    }

    void put_codes(std::int64_t row_block, std::int64_t col_block, std::int64_t unit) const {
        for (int q = 0; q < 4; ++q) {
            for (int lane = 0; lane < 32; ++lane) {
                for (int s = 0; s < 4; ++s) {
                    std::uint32_t word = 0;
                    for (int r = 0; r < 4; ++r) {
                        const std::int64_t row = row_block * 16 + lane / 4 + r % 2 * 8;
                        const std::int64_t col = col_block * 256 + q * 64 + s / 2 * 32 +
                                                 lane % 4 * 8 + s % 2 * 4 + r / 2 * 2;
                        word |= placed(e2m1(), r, code(row, col)) |
                                placed(e2m1(), r, code(row, col + 1)) << 16;
                    }
                    std::memcpy(codes + unit * kUnitBytes + q * 512 + lane * 16 + s * 4, &word, 4);
                }
            }
        }
    }

    void put_scales(std::int64_t row_block, std::int64_t col_block, std::int64_t unit) const {
        std::uint8_t* to = scales + unit * unit_scale_bytes(w.format);
        const auto at = [&](int g, int high, int column) {
            return scale(row_block * 16 + g + 8 * high, col_block * 256 + column);
        };
        const auto put16 = [&](int byte, unsigned value) {
            const auto half = static_cast<std::uint16_t>(value);
            std::memcpy(to + byte, &half, 2);
        };
        const int half_bytes = unit_scale_bytes(w.format) / 2;
        for (int g = 0; g < 8; ++g) {
            for (int high = 0; high < 2; ++high) {
                for (int k = 0; k < 8; ++k) {  // of 32 columns
                    const int half = k / 4 * half_bytes, h = k % 4;
                    if (w.format == WeightFormat::mxfp4)
                        to[half + 8 * g + 2 * h + high] =
                            static_cast<std::uint8_t>(at(g, high, 32 * k));
                    if (w.format == WeightFormat::nvfp4) {
                        to[half + 16 * g + 2 * h + high] =
                            static_cast<std::uint8_t>(at(g, high, 32 * k));
                        to[half + 16 * g + 8 + 2 * h + high] =
                            static_cast<std::uint8_t>(at(g, high, 32 * k + 16));
                    }
                    if (w.format == WeightFormat::int4g32)
                        put16(half + 16 * g + 4 * h + 2 * high, at(g, high, 32 * k));
                    if (w.format == WeightFormat::int4g128 && h == 0)
                        put16(half + 4 * g + 2 * high, at(g, high, 32 * k));
                }
            }
        }
    }
};

}  // namespace

std::int64_t w4a16_code_bytes(std::int64_t out, std::int64_t in) {
    return row_blocks(out) * col_blocks(in) * kUnitBytes;
}

std::int64_t w4a16_scale_bytes(WeightFormat format, std::int64_t out, std::int64_t in) {
    return row_blocks(out) * col_blocks(in) * unit_scale_bytes(format);
}

Status repack_w4a16(const W4A16Weights& w, void* codes, void* scales, float* alpha) {
    if (w.out <= 0 || w.in <= 0 || w.in % group_of(w.format))
        return refuse("repack_w4a16: the columns must divide into groups");
    if (!(w.divisor > 0 && std::isfinite(w.divisor)))
        return refuse("repack_w4a16: the divisor must be positive and finite");
    int least = 254, most = 0;
    const std::int64_t groups = w.out * (w.in / group_of(w.format));
    for (std::int64_t i = 0; w.format == WeightFormat::mxfp4 && i < groups; ++i) {
        const int byte = static_cast<const std::uint8_t*>(w.scales)[i];
        if (byte == 255) return refuse("repack_w4a16: a scale is NaN");
        least = byte < least ? byte : least;
        most = byte > most ? byte : most;
    }
    for (std::int64_t i = 0; w.format == WeightFormat::nvfp4 && i < groups; ++i) {
        if (static_cast<const std::uint8_t*>(w.scales)[i] >= 0x7f)
            return refuse("repack_w4a16: a scale is negative or NaN");
    }
    if (most - least > 125 && w.format == WeightFormat::mxfp4)
        return refuse("repack_w4a16: the scales are spread over more than 2^125");
    const bool mx = w.format == WeightFormat::mxfp4, nv = w.format == WeightFormat::nvfp4;
    const Repacker repacker{w, static_cast<std::uint8_t*>(codes),
                            static_cast<std::uint8_t*>(scales), mx ? most - 128 : 0};
    *alpha = std::ldexp(1 / w.divisor, mx ? most - 128 : nv ? 8 : 0);
    for (std::int64_t row = 0; row < row_blocks(w.out); ++row) {
        for (std::int64_t col = 0; col < col_blocks(w.in); ++col) {
            const std::int64_t unit = row * col_blocks(w.in) + col;
            repacker.put_codes(row, col, unit);
            repacker.put_scales(row, col, unit);
        }
    }
    return {};
}

}  // namespace hb::gpu
