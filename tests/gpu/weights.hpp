// SPDX-License-Identifier: Apache-2.0
// Random 4-bit weights and their values.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "core/float_bits.hpp"
#include "formats/all.hpp"
#include "gpu/w4a16.hpp"

namespace hb::gpu {

struct TestWeights {
    WeightFormat format;
    std::int64_t out, in;
    float divisor;
    std::vector<std::uint8_t> codes, scales;

    int group() const {
        return format == WeightFormat::nvfp4 ? 16 : format == WeightFormat::int4g128 ? 128 : 32;
    }
    bool integer() const {
        return format == WeightFormat::int4g32 || format == WeightFormat::int4g128;
    }

    TestWeights(WeightFormat f, std::int64_t rows, std::int64_t cols, std::uint32_t seed)
        : format(f), out(rows), in(cols), divisor(f == WeightFormat::nvfp4 ? 37.5f : 1) {
        std::mt19937 random(seed);
        codes.resize(static_cast<std::size_t>(out * in / 2));
        for (auto& byte : codes) byte = static_cast<std::uint8_t>(random());
        const std::int64_t groups = out * (in / group());
        scales.resize(static_cast<std::size_t>(integer() ? 2 * groups : groups));
        for (std::size_t i = 0; i < static_cast<std::size_t>(groups); ++i) {
            if (format == WeightFormat::mxfp4) {
                scales[i] = static_cast<std::uint8_t>(random() % 50 ? 115 + random() % 8 : 60);
            } else if (format == WeightFormat::nvfp4) {
                scales[i] = static_cast<std::uint8_t>(random() % 0x7f);
            } else {
                const auto u = float_to_bf16((1 + static_cast<float>(random() % 200)) * 1e-3f);
                scales[2 * i] = static_cast<std::uint8_t>(u);
                scales[2 * i + 1] = static_cast<std::uint8_t>(u >> 8);
            }
        }
    }

    float scale(std::int64_t row, std::int64_t col) const {
        const auto i = static_cast<std::size_t>(row * (in / group()) + col / group());
        if (format == WeightFormat::mxfp4) return E8M0::decode(scales[i]);
        if (format == WeightFormat::nvfp4) return E4M3::decode(scales[i]);
        return bf16_to_float(static_cast<std::uint16_t>(scales[2 * i] | scales[2 * i + 1] << 8));
    }
    float element(std::int64_t row, std::int64_t col) const {
        const auto byte = codes[static_cast<std::size_t>((row * in + col) / 2)];
        const auto code = static_cast<std::uint8_t>(byte >> col % 2 * 4 & 15);
        return integer() ? Int4::decode(code) : E2M1::decode(code);
    }
    W4A16Weights view() const { return {format, out, in, codes.data(), scales.data(), divisor}; }
};

constexpr WeightFormat kWeightFormats[] = {WeightFormat::mxfp4, WeightFormat::nvfp4,
                                           WeightFormat::int4g32, WeightFormat::int4g128};

}  // namespace hb::gpu
