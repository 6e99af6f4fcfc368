// SPDX-License-Identifier: Apache-2.0
// What the quantizer must give, by the CPU's own reference: transforms/, schemes/.
#pragma once

#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include "core/float_bits.hpp"
#include "gpu/quantize.hpp"
#include "gpu/swizzle.hpp"
#include "schemes/scale_rule.hpp"
#include "transforms/kinds.hpp"

namespace hb::gpu {

inline std::string_view rule_name(Rule rule) {
    constexpr std::string_view names[] = {"fp-quant",      "ceil7.25", "mse",   "absmax",
                                          "four-over-six", "sweep4",   "sweep8"};
    return names[static_cast<int>(rule)];
}

struct Quantized {
    std::vector<std::uint8_t> codes, scales;
};

// x: rows of `cols` numbers in front of the rotation.
inline Quantized reference_quantize(std::vector<float> x, const QuantizeCall& call) {
    const Family family = call.format == Format::mxfp4 ? Family::mx : Family::nv;
    const int group = family == Family::mx ? 32 : 16, block = call.rotation.block;
    const ScaleRule& rule = find_scale_rule(rule_name(call.rule), family);
    const float divisor = family == Family::mx ? rule.divisor(1) : call.divisor;
    const std::int64_t cols = call.cols, groups = cols / group;
    const bool swizzled = call.scale_layout == ScaleLayout::swizzled;
    Quantized out;
    out.codes.resize(static_cast<std::size_t>(call.rows * cols / 2));
    out.scales.resize(
        static_cast<std::size_t>(swizzled ? swizzled_bytes(call.rows, groups) : call.rows * groups),
        0xff);
    for (std::int64_t r = 0; r < call.rows; ++r) {
        float* row = x.data() + r * cols;
        for (std::int64_t c = 0; block > 1 && c < cols; c += block) fast_hadamard(row + c, block);
        for (std::int64_t g = 0; g < groups; ++g) {
            const float* values = row + g * group;
            const std::uint16_t scale = rule.choose(values, nullptr, group, divisor);
            const float unit = step(family, scale, divisor);
            for (int i = 0; i < group; i += 2) {
                const auto low = encode_element(family, values[i] / unit),
                           high = encode_element(family, values[i + 1] / unit);
                out.codes[static_cast<std::size_t>((r * cols + g * group + i) / 2)] =
                    static_cast<std::uint8_t>(low | high << 4);
            }
            const std::int64_t place = swizzled ? swizzled_place(r, g, groups) : r * groups + g;
            out.scales[static_cast<std::size_t>(place)] = static_cast<std::uint8_t>(scale);
        }
    }
    return out;
}

// bf16 numbers of several kinds by row: normal, heavy tails, few values (ties), tiny, huge, zeros.
inline std::vector<std::uint16_t> test_numbers(std::int64_t rows, std::int64_t cols,
                                               std::uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<std::uint16_t> x(static_cast<std::size_t>(rows * cols));
    for (std::int64_t i = 0; i < rows * cols; ++i) {
        const float n = normal(random);
        float value = n;
        switch (i / cols % 8) {
            case 1:
                value = n * n * n;
                break;
            case 2:
                value = static_cast<float>(static_cast<int>(random() % 29) - 14) / 4;
                break;
            case 3:
                value = n * 0x1p-40f;
                break;
            case 4:
                value = i % 3 ? 0 : n * 1e-3f;
                break;
            case 5:
                value = i % cols / 64 % 3 == 0 ? 0 : n * 100;
                break;
            case 6:
                value = n * (i % 5 ? 0x1p-118f : 0x1p-125f);
                break;
            case 7:
                value = n * (i % 64 < 32 ? 0x1p90f : 0x1p30f);
                break;
        }
        x[static_cast<std::size_t>(i)] = float_to_bf16(value);
    }
    return x;
}

inline std::vector<float> widen(const std::vector<std::uint16_t>& x) {
    std::vector<float> out;
    for (const std::uint16_t u : x) out.push_back(bf16_to_float(u));
    return out;
}

}  // namespace hb::gpu
