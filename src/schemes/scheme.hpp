// SPDX-License-Identifier: Apache-2.0
// A scheme says what a quantized linear layer is made of: an element format, how many elements
// along the input dimension share a scale, the format of that scale, whether one fp32 divisor per
// tensor stands above the scales, and whether the layer's input is quantized too.
//
//     real value = (element - zero point) * scale / divisor
//
// MX: e2m1 elements, 32 to an E8M0 scale, divisor 1 (3 under the rule fp-quant). NV: e2m1 elements,
// 16 to an E4M3 scale, divisor 2688 / amax or so. Integer: int4 elements, 32 or 128 to a bf16
// scale. Zeroed: the same with an int4 zero point beside each scale, which is 0 everywhere else.
// int8, fp8: int8 or E4M3 elements, a whole row to a bf16 scale; of an input, a row (a token) to
// an fp32 scale. mxint8: int8 elements, 32 to an E8M0 scale, of inputs alone.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace hb {

enum class Family { mx, nv, integer, zeroed, int8, fp8, mxint8 };

struct Scheme {
    std::string_view name, help;
    Family family;
    int group;                         // elements that share a scale; 0: all of a row
    bool quantized_activations;        // W4A4 or W8A8 when true, W4A16 when false
    std::string_view weight_rule;      // default scale rules of the recipe mr-gptq
    std::string_view activation_rule;  // empty when activations stay in 16 bits

    bool by_row() const { return group == 0; }
    bool zero_points() const { return family == Family::zeroed; }
    int element_bits() const {
        return family == Family::int8 || family == Family::fp8 || family == Family::mxint8 ? 8 : 4;
    }
    int scale_bits() const {
        return family == Family::mx || family == Family::nv || family == Family::mxint8 ? 8 : 16;
    }
    // Without the scales of rows, which count for nothing.
    double bits_per_weight() const {
        const int shared = scale_bits() + (zero_points() ? element_bits() : 0);
        return element_bits() + (by_row() ? 0.0 : static_cast<double>(shared) / group);
    }

    // Of a row of `cols` elements, which whole groups must make up.
    bool divides(std::int64_t cols) const { return by_row() || cols % group == 0; }
    std::int64_t group_of(std::int64_t cols) const { return by_row() ? cols : group; }
    std::int64_t groups(std::int64_t cols) const { return by_row() ? 1 : cols / group; }
    std::int64_t code_bytes(std::int64_t cols) const { return cols * element_bits() / 8; }
};

std::span<const Scheme> all_schemes();
const Scheme& find_scheme(std::string_view name);  // throws Error naming the known ones

// What the inputs of a weight-only linear may be rounded to when a model is loaded, whatever the
// file says; no weights are stored so.
std::span<const Scheme> all_input_schemes();

// Value of a stored scale: E8M0 or E4M3 byte, or bf16 bits.
float decode_scale(Family family, std::uint16_t bits);
// Value of an element code (0..15, or 0..255 of 8 bits).
float decode_element(Family family, std::uint8_t code);
// Nearest element code, ties to even, saturating; x is already divided by the step.
std::uint8_t encode_element(Family family, float x);
// What one unit of an element is worth: decode_scale(bits) / divisor, rounded once to fp32.
inline float step(Family family, std::uint16_t bits, float divisor) {
    return decode_scale(family, bits) / divisor;
}

}  // namespace hb
