// SPDX-License-Identifier: Apache-2.0
// Blocks of ggml. d and m are f16; q is an integer. With n the block's elements:
//   Q4_0  18 bytes: d, 16 nibble pairs      (q - 8) d            element j low, j + 16 high
//   Q4_1  20 bytes: d, m, 16 pairs          q d + m
//   Q5_0  22 bytes: d, 32 high bits, pairs  (q - 16) d
//   Q5_1  24 bytes: d, m, high bits, pairs  q d + m
//   Q8_0  34 bytes: d, 32 int8              q d
//   Q4_K 144 bytes: d, m, 8 six-bit scale and minimum pairs, 128 nibble pairs   (d s) q - (m t)
//   Q5_K 176 bytes: as Q4_K with 32 bytes of high bits
//   Q6_K 210 bytes: low nibbles, high bit pairs, 16 int8 scales, d              (d s) (q - 32)
#include "io/stored_type.hpp"

#include <cstring>

#include "core/float_bits.hpp"
#include "io/load_bytes.hpp"

namespace hb {
namespace {

int byte_at(const std::byte* p, int i) {
    return static_cast<int>(p[i]);
}
float half_at(const std::byte* p) {
    return f16_to_float(load<std::uint16_t>(p));
}

void decode_f32(const std::byte* in, std::int64_t n, float* out) {
    std::memcpy(out, in, static_cast<std::size_t>(n) * 4);
}
void decode_f16(const std::byte* in, std::int64_t n, float* out) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = f16_to_float(load<std::uint16_t>(in + 2 * i));
}
void decode_bf16(const std::byte* in, std::int64_t n, float* out) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = bf16_to_float(load<std::uint16_t>(in + 2 * i));
}

// The four 4- and 5-bit types of 32 elements: value = (q - offset) d, or q d + m.
template <bool five, bool minimum>
void decode_small(const std::byte* in, std::int64_t blocks, float* out) {
    constexpr int bytes = 2 + (minimum ? 2 : 0) + (five ? 4 : 0) + 16;
    for (; blocks > 0; --blocks, in += bytes, out += 32) {
        const std::byte* p = in + 2;
        const float d = half_at(in), m = minimum ? half_at(p) : 0.0f;
        if (minimum) p += 2;
        const auto high = five ? load<std::uint32_t>(p) : 0u;
        if (five) p += 4;
        for (int i = 0; i < 32; ++i) {
            int q = i < 16 ? byte_at(p, i) & 15 : byte_at(p, i - 16) >> 4;
            if (five) q |= static_cast<int>(high >> i & 1u) << 4;
            if (minimum)
                out[i] = d * static_cast<float>(q) + m;
            else
                out[i] = d * static_cast<float>(q - (five ? 16 : 8));
        }
    }
}

void decode_q8_0(const std::byte* in, std::int64_t blocks, float* out) {
    for (; blocks > 0; --blocks, in += 34, out += 32) {
        const float d = half_at(in);
        for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(load<std::int8_t>(in + 2 + i)) * d;
    }
}

// Six-bit scale s and minimum t of sub-block j: the first four lie in the low six bits of bytes
// 0..3 and 4..7, the last four in nibbles of bytes 8..11 under the top two bits of bytes 0..7.
struct ScaleAndMinimum {
    int scale, minimum;
};
ScaleAndMinimum unpack(const std::byte* p, int j) {
    if (j < 4) return {byte_at(p, j) & 63, byte_at(p, j + 4) & 63};
    const int last = byte_at(p, j + 4);
    return {(last & 15) | (byte_at(p, j - 4) >> 6) << 4, (last >> 4) | (byte_at(p, j) >> 6) << 4};
}

template <bool five>
void decode_k(const std::byte* in, std::int64_t blocks, float* out) {
    constexpr int bytes = five ? 176 : 144;
    for (; blocks > 0; --blocks, in += bytes) {
        const float d = half_at(in), m = half_at(in + 2);
        const std::byte* high = in + 16;
        const std::byte* low = in + (five ? 48 : 16);
        for (int j = 0; j < 8; ++j) {
            const auto [scale, minimum] = unpack(in + 4, j);
            const float ds = d * static_cast<float>(scale), mt = m * static_cast<float>(minimum);
            for (int i = 0; i < 32; ++i) {
                int q = byte_at(low, j / 2 * 32 + i) >> (j % 2 * 4) & 15;
                if (five) q |= (byte_at(high, i) >> j & 1) << 4;
                *out++ = ds * static_cast<float>(q) - mt;
            }
        }
    }
}

void decode_q6_k(const std::byte* in, std::int64_t blocks, float* out) {
    for (; blocks > 0; --blocks, in += 210) {
        const float d = half_at(in + 208);
        for (int i = 0; i < 256; ++i) {
            const int half = i / 128, part = i % 128 / 32, lane = i % 32;
            const int low = byte_at(in, half * 64 + part % 2 * 32 + lane) >> (part / 2 * 4) & 15;
            const int high = byte_at(in, 128 + half * 32 + lane) >> (part * 2) & 3;
            const float ds = d * static_cast<float>(load<std::int8_t>(in + 192 + i / 16));
            *out++ = ds * static_cast<float>((low | high << 4) - 32);
        }
    }
}

constexpr StoredType kTypes[] = {
    {"F32", 0, 1, 4, decode_f32},
    {"F16", 1, 1, 2, decode_f16},
    {"BF16", 30, 1, 2, decode_bf16},
    {"Q4_0", 2, 32, 18, decode_small<false, false>},
    {"Q4_1", 3, 32, 20, decode_small<false, true>},
    {"Q5_0", 6, 32, 22, decode_small<true, false>},
    {"Q5_1", 7, 32, 24, decode_small<true, true>},
    {"Q8_0", 8, 32, 34, decode_q8_0},
    {"Q4_K", 12, 256, 144, decode_k<false>},
    {"Q5_K", 13, 256, 176, decode_k<true>},
    {"Q6_K", 14, 256, 210, decode_q6_k},
    {"MXFP4", 39, 32, 17, nullptr},
    {"NVFP4", 40, 64, 36, nullptr},
};

}  // namespace

std::span<const StoredType> all_stored_types() {
    return kTypes;
}

const StoredType* find_stored_type(std::string_view name) {
    for (const auto& type : kTypes)
        if (type.name == name) return &type;
    return nullptr;
}

const StoredType* find_ggml_type(std::uint32_t number) {
    for (const auto& type : kTypes)
        if (static_cast<std::uint32_t>(type.ggml) == number) return &type;
    return nullptr;
}

}  // namespace hb
