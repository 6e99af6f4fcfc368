// SPDX-License-Identifier: Apache-2.0
// What is done with a row: its transform, its order in a left side, norms, SiLU, the sums of a
// loss.
#pragma once

#include <algorithm>
#include <cmath>

#include "core/float_bits.hpp"
#include "kernels/table.hpp"

namespace hb {
namespace {

void hadamard(float* x, std::int64_t n, int block) {
    const auto factor = static_cast<float>(1 / std::sqrt(static_cast<double>(block)));
    for (int h = 1; h < block; h *= 2) {
        for (std::int64_t i = 0; i < n; ++i) {
            if (i & h) continue;
            const float a = x[i], b = x[i + h];
            x[i] = a + b;
            x[i + h] = a - b;
        }
    }
    for (std::int64_t i = 0; i < n; ++i) x[i] *= factor;
}

void to_lanes(const float* x, std::int64_t n, std::uint16_t* narrow, float* wide,
              std::int64_t step) {
    for (std::int64_t i = 0; i < n; ++i) {
        const std::int64_t to = i / 32 * step + i % 16 * 2 + i / 16 % 2;
        if (narrow)
            narrow[to] = float_to_bf16(x[i]);
        else
            wide[to] = x[i];
    }
}

void to_bf16(float* x, std::int64_t n, std::uint16_t* out) {
    for (std::int64_t i = 0; i < n; ++i) {
        out[i] = float_to_bf16(x[i]);
        x[i] = bf16_to_float(out[i]);
    }
}

void from_bf16(const std::uint16_t* x, std::int64_t n, float* out) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = bf16_to_float(x[i]);
}

// of the bits of a magnitude, counted in 2^unit
int mx_code(int magnitude, int unit) {
    return magnitude == 0 ? 0 : std::max((magnitude >> 6) - 2 * unit, 1);
}

int mx_magnitude(int code, int unit) {
    return code == 0 ? 0 : code == 1 ? unit << 7 : (code + 2 * unit) << 6;
}

bool to_mx_codes(const std::uint16_t* x, std::int64_t blocks, std::uint8_t* out) {
    for (; blocks > 0; --blocks, x += kBlock, out += kMxRowBytes) {
        int top = 0;
        for (int i = 0; i < kBlock; ++i) top = std::max(top, (x[i] & 0x7fff) >> 7);
        if (top != 0 && (top < 4 || top > 254)) return false;
        const int unit = top ? top - 3 : 1;
        std::fill_n(out, 16, std::uint8_t{0});
        for (int i = 0; i < kBlock; ++i) {
            const int magnitude = x[i] & 0x7fff, code = mx_code(magnitude, unit);
            if (mx_magnitude(code, unit) != magnitude) return false;
            out[i / 2] |= static_cast<std::uint8_t>((code | (x[i] >> 12 & 8)) << i % 2 * 4);
        }
        out[16] = static_cast<std::uint8_t>(unit);
    }
    return true;
}

void from_mx_codes(const std::uint8_t* codes, std::int64_t blocks, std::uint16_t* out) {
    for (; blocks > 0; --blocks, codes += kMxRowBytes, out += kBlock) {
        for (int i = 0; i < kBlock; ++i) {
            const int code = codes[i / 2] >> i % 2 * 4 & 15;
            out[i] =
                static_cast<std::uint16_t>(mx_magnitude(code & 7, codes[16]) | (code & 8) << 12);
        }
    }
}

float exp_of(float x) {
    if (x < kExpLow) return 0;
    if (!(x <= kExpHigh)) return x + INFINITY;
    const float shifted = std::fma(x, 1.44269504f, 12582912.f), n = shifted - 12582912.f;
    const float r = std::fma(-n, -2.12194440e-4f, std::fma(-n, 0.693359375f, x));
    float p = 1.9875691500e-4f;
    for (const float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f,
                          5.0000001201e-1f}) {
        p = std::fma(p, r, c);
    }
    p = std::fma(p, r * r, r) + 1;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) +
                                (std::bit_cast<std::uint32_t>(shifted) << 23));
}

template <class T>
T tree(T (&lanes)[16]) {
    for (int half = 8; half > 0; half /= 2) {
        for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
    }
    return lanes[0];
}

void rms_norm(const float* x, const float* weight, float eps, std::int64_t n, float* y) {
    float lanes[16] = {};
    for (std::int64_t i = 0; i < n; ++i) lanes[i % 16] = std::fma(x[i], x[i], lanes[i % 16]);
    const float scale = 1 / std::sqrt(tree(lanes) / static_cast<float>(n) + eps);
    for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * scale * weight[i];
}

void silu_multiply(const float* gate, float alpha, const float* up, float beta, std::int64_t n,
                   float* out) {
    for (std::int64_t i = 0; i < n; ++i) {
        const float g = alpha * gate[i];
        out[i] = g / (1 + exp_of(0 - g)) * (beta * up[i]);
    }
}

PartOfSum sum_exp(const float* x, std::int64_t n) {
    float top = -INFINITY;
    double lanes[16] = {};
    for (std::int64_t i = 0; i < n; ++i) top = x[i] > top ? x[i] : top;
    for (std::int64_t i = 0; i < n; ++i) lanes[i % 16] += exp_of(x[i] - top);
    return {top, tree(lanes)};
}

double kl_divergence(const float* p, double lse_p, const float* q, double lse_q, std::int64_t n) {
    double lanes[16] = {};
    for (std::int64_t i = 0; i < n; ++i) {
        const double log_p = p[i] - lse_p, log_q = q[i] - lse_q;
        const double weight = exp_of(static_cast<float>(log_p));
        lanes[i % 16] = std::fma(weight, log_p - log_q, lanes[i % 16]);
    }
    return tree(lanes);
}
}  // namespace
}  // namespace hb
