// SPDX-License-Identifier: Apache-2.0
// A quantized matrix of random codes, zero points and scales, each of which is a number.
#pragma once

#include "core/float_bits.hpp"
#include "core/random.hpp"
#include "schemes/qtensor.hpp"

namespace hb {

inline QTensor random_tensor(const Scheme& scheme, std::int64_t rows, std::int64_t cols,
                             float divisor, std::uint64_t seed = 5) {
    Random random{seed};
    QTensor q = make_qtensor(scheme, rows, cols, make_scales(scheme, rows, cols, divisor));
    for (auto& code : q.codes.values) {
        code = static_cast<std::uint8_t>(random.bits());
        if (scheme.family == Family::fp8 && code % 128 == 127) code ^= 1;  // NaN
    }
    for (auto& zero : q.scales.zeros.values) zero = random.bits() % 16;
    for (auto& bits : q.scales.bits.values)
        bits = scheme.scale_bits() == 16 ? float_to_bf16(static_cast<float>(random.uniform()))
                                         : static_cast<std::uint16_t>(1 + random.bits() % 0x7d);
    return q;
}

}  // namespace hb
