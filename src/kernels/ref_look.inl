// SPDX-License-Identifier: Apache-2.0
// Attention of a few rows to the keys of one head, by the steps of docs/numerics.md.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/ref_products.inl"
#include "kernels/ref_rows.inl"

namespace hb {
namespace {

// 2^x, or 0 below 2^-126
float power_of_two(float x) {
    if (!(x >= -126)) return 0;
    const float shifted = x + 12582912.f, f = x - (shifted - 12582912.f);
    float p = kPowerOfTwo[4];
    for (int i = 3; i >= 0; --i) p = std::fma(p, f, kPowerOfTwo[i]);
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(std::fma(p, f, 1.f)) +
                                (std::bit_cast<std::uint32_t>(shifted) << 23));
}

// The score of row r at a position; value `i` of a position, without the scale of its codes.
float score(const Look& l, int r, std::int64_t position) {
    Multiply m;
    m.narrow_a = l.narrow_q;
    m.wide_a = l.wide_q;
    m.a_step = l.a_step;
    m.a_stride = l.key_blocks * l.a_step;
    m.narrow_b = l.narrow_keys;
    m.wide_b = l.wide_keys;
    m.coded_b = l.key_codes;
    m.coding = l.key_codes ? Coding::int8 : Coding::none;
    m.b_stride = l.key_blocks * kTile;
    m.blocks = l.key_blocks;
    const float s = dot(m, r, static_cast<int>(position / 16), static_cast<int>(position % 16), 0);
    return l.key_codes ? s * bf16_to_float(l.key_scales[position]) : s;
}
float value(const Look& l, std::int64_t position, std::int64_t i) {
    if (l.value_codes) {
        return coded_element(l.value_codes + i / 16 * l.value_stride + position / 32 * kTile,
                             Coding::int8, static_cast<int>(i % 16),
                             static_cast<int>(position % 16 * 2 + position / 16 % 2));
    }
    return element(l.narrow_values, l.wide_values,
                   i / 16 * l.value_stride + position / 32 * kTile + position % 16 * 32 +
                       i % 16 * 2 + position / 16 % 2);
}

float round_half_up(float p) {  // to bf16
    return std::bit_cast<float>((std::bit_cast<std::uint32_t>(p) + 0x8000u) & 0xffff0000u);
}

// p and its sums for the positions [first, end) that the row sees, below `top`. Over codes the sum
// is that of e, and p holds the scale of a position's codes as well.
void weigh(const Look& l, const float* scores, float top, float (&lanes)[16], float (&p)[128],
           std::int64_t chunk, std::int64_t first, std::int64_t end) {
    for (int i = 0; i < kLookColumns; ++i) p[i] = 0;
    for (std::int64_t i = first; i < end; ++i) {
        const float e = power_of_two(std::fma(scores[i - chunk], l.scale, -top));
        if (l.value_codes) {
            const float scaled = e * bf16_to_float(l.value_scales[i]);
            p[i - chunk] = scaled < 0x1p-126f ? 0 : round_half_up(scaled);
            lanes[i % 16] += e;
        } else {
            lanes[i % 16] += p[i - chunk] = l.narrow_values ? round_half_up(e) : e;
        }
    }
}

void look_row(const Look& l, int r) {
    float top = -INFINITY, lanes[16] = {}, scores[kLookColumns], p[kLookColumns];
    std::vector<float> out(static_cast<std::size_t>(16 * l.value_panels));
    const std::int64_t begin = l.begin[r], end = l.end[r];
    for (std::int64_t chunk = begin / kLookColumns * kLookColumns; chunk < end;
         chunk += kLookColumns) {
        const std::int64_t first = std::max(chunk, begin),
                           last = std::min(chunk + kLookColumns, end);
        float largest = -INFINITY;
        for (std::int64_t i = first; i < last; ++i)
            largest = std::max(largest, scores[i - chunk] = score(l, r, i));
        const float now = std::max(top, std::ceil(largest * l.scale));
        const float factor = power_of_two(top - now);
        top = now;
        for (float& x : lanes) x *= factor;
        weigh(l, scores, top, lanes, p, chunk, first, last);
        for (std::size_t i = 0; i < out.size(); ++i) {
            out[i] *= factor;
            for (std::int64_t block = chunk; block < last; block += kBlock) {
                float s[2] = {};
                for (std::int64_t k = block; k < block + kBlock; ++k) {
                    const std::int64_t g = k / 16 % 2;
                    s[g] = std::fma(p[k - chunk], value(l, k, static_cast<std::int64_t>(i)), s[g]);
                }
                out[i] = out[i] + (s[0] + s[1]);
            }
        }
    }
    const float part = 1 / tree(lanes);
    for (std::size_t i = 0; i < out.size(); ++i)
        l.out[static_cast<std::size_t>(r) * out.size() + i] = out[i] * part;
}

void look(const Look& l) {
    for (int r = 0; r < l.rows; ++r) look_row(l, r);
}
}  // namespace
}  // namespace hb
