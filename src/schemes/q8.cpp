// SPDX-License-Identifier: Apache-2.0
#include "schemes/q8.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "formats/all.hpp"
#include "schemes/squared_error.hpp"

namespace hb {
namespace {

constexpr float kLargestCode = 127, kLargestScale = 65504;

void check(View<const float> w, Threads& threads) {
    if (w.cols % Q8Tensor::kGroup != 0)
        fail("a matrix of {} columns does not divide into q8_0's groups of {}", w.cols,
             Q8Tensor::kGroup);
    threads.loop(w.rows, [&](std::int64_t r, int) {
        for (std::int64_t c = 0; c < w.cols; ++c)
            if (!(std::fabs(w(r, c)) <= kLargestScale * kLargestCode))
                fail("the weight in row {}, column {} is {}; q8_0 holds magnitudes up to {}", r, c,
                     w(r, c), kLargestScale * kLargestCode);
    });
}

std::uint16_t quantize_group(const float* x, std::int8_t* codes) {
    const float amax = largest_magnitude(x, Q8Tensor::kGroup);
    const std::uint16_t bits = float_to_f16(amax / kLargestCode);
    const float scale = f16_to_float(bits);
    for (std::int64_t i = 0; i < Q8Tensor::kGroup; ++i) {
        const float target = scale > 0 ? x[i] / scale : 0;
        codes[i] =
            static_cast<std::int8_t>(Int8::round(std::clamp(target, -kLargestCode, kLargestCode)));
    }
    return bits;
}

}  // namespace

Q8Tensor quantize_q8(View<const float> w, Threads& threads) {
    check(w, threads);
    constexpr std::int64_t group = Q8Tensor::kGroup;
    Q8Tensor q{w.rows, w.cols, Matrix<std::int8_t>(w.rows, w.cols),
               Matrix<std::uint16_t>(w.rows, w.cols / group)};
    threads.loop(w.rows, [&](std::int64_t r, int) {
        for (std::int64_t g = 0; g < q.scales.cols; ++g)
            q.scales(r, g) = quantize_group(w.row(r) + g * group, q.codes.row(r) + g * group);
    });
    return q;
}

Matrix<std::uint16_t> dequantize_bf16(const Q8Tensor& q) {
    Matrix<std::uint16_t> out(q.rows, q.cols);
    for (std::int64_t r = 0; r < q.rows; ++r) {
        for (std::int64_t c = 0; c < q.cols; ++c) {
            const float scale = f16_to_float(q.scales(r, c / Q8Tensor::kGroup));
            out(r, c) = float_to_bf16(static_cast<float>(q.codes(r, c)) * scale + 0.f);
        }
    }
    return out;
}

}  // namespace hb
