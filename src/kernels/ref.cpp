// SPDX-License-Identifier: Apache-2.0
// Every task in plain C++, the oracle of the others: same operations, same order, same bits. Its
// rules refuse everything, which leaves quantization to the reference of schemes/.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

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

bool refuse(const float*, std::int64_t, float, float*) {
    return false;
}

}  // namespace

const Kernels kRefKernels = {
    "ref",
    kTilePanels,
    multiply,
    expand,
    finish,
    transpose,
    hadamard,
    to_lanes,
    nullptr,
    0,
    to_bf16,
    from_bf16,
    to_mx_codes,
    from_mx_codes,
    {refuse, refuse, refuse, refuse, refuse, refuse, refuse, refuse, refuse, refuse, refuse, refuse,
     refuse},
    rms_norm,
    silu_multiply,
    look,
    sum_exp,
    kl_divergence,
};

}  // namespace hb
