// SPDX-License-Identifier: Apache-2.0
// A scheme says what a quantized linear layer is made of: an element format, how many elements
// along the input dimension share a scale, the format of that scale, whether one fp32 divisor per
// tensor stands above the scales, and whether the layer's input is quantized too.
//
//     real value = element * scale / divisor
//
// MX: e2m1 elements, 32 to an E8M0 scale, divisor 1 (3 under the rule fp-quant). NV: e2m1 elements,
// 16 to an E4M3 scale, divisor 2688 / amax or so. Integer: int4 elements, 32 or 128 to a bf16
// scale.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace hb {

enum class Family { mx, nv, integer };

struct Scheme {
    std::string_view name, help;
    Family family;
    int group;                         // elements that share a scale
    bool quantized_activations;        // W4A4 when true, W4A16 when false
    std::string_view weight_rule;      // default scale rules of the recipe mr-gptq
    std::string_view activation_rule;  // empty when activations stay in 16 bits

    int scale_bits() const { return family == Family::integer ? 16 : 8; }
    double bits_per_weight() const { return 4.0 + static_cast<double>(scale_bits()) / group; }
};

std::span<const Scheme> all_schemes();
const Scheme& find_scheme(std::string_view name);  // throws Error naming the known ones

// Value of a stored scale: E8M0 or E4M3 byte, or bf16 bits.
float decode_scale(Family family, std::uint16_t bits);
// Value of a 4-bit element code (0..15).
float decode_element(Family family, std::uint8_t code);
// Nearest element code, ties to even, saturating; x is already divided by the step.
std::uint8_t encode_element(Family family, float x);
// What one unit of an element is worth: decode_scale(bits) / divisor, rounded once to fp32.
inline float step(Family family, std::uint16_t bits, float divisor) {
    return decode_scale(family, bits) / divisor;
}

}  // namespace hb
