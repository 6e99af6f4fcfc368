// SPDX-License-Identifier: Apache-2.0
#include "kernels/kv_codes.hpp"

#include <algorithm>
#include <bit>

#include "core/float_bits.hpp"
#include "formats/int8.hpp"
#include "kernels/table.hpp"

namespace hb {
namespace {

constexpr std::uint32_t kInfinity = 0x7f800000;
constexpr std::uint16_t kNan = 0x7fc0;

// Calls put(i, code plus 128) for each i < n; under a scale of zero or NaN all codes are 0.
template <class Put>
void each_code(const float* x, std::int64_t n, std::uint16_t scale, Put put) {
    const float step = bf16_to_float(scale);
    const bool plain = step > 0;
    for (std::int64_t first = 0; first < n; first += 16) {
        const std::int64_t count = std::min<std::int64_t>(16, n - first);
        std::uint8_t codes[16];
        for (std::int64_t i = 0; i < count; ++i)
            codes[i] = plain ? Int8::encode(x[first + i] / step) : 0;
        for (std::int64_t i = 0; i < count; ++i)
            put(first + i, static_cast<std::uint8_t>(codes[i] + 128));
    }
}

int in_lanes(std::int64_t k) {  // k's place in the lane order of its block
    return static_cast<int>(k % 16 * 2 + k / 16 % 2);
}

}  // namespace

std::uint16_t code_scale(const float* x, std::int64_t n) {
    std::uint32_t largest = 0;
    for (std::int64_t i = 0; i < n; ++i)
        largest = std::max(largest, std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffffu);
    if (largest >= kInfinity) return kNan;
    const float scale = std::bit_cast<float>(largest) / 127;
    return static_cast<std::uint16_t>((std::bit_cast<std::uint32_t>(scale) + 0xffffu) >> 16);
}

void put_codes(KvCache& cache, std::int64_t position, std::int64_t head, const float* key,
               const float* value) {
    const std::int64_t dim = cache.head_dim, key_width = (dim + 31) / 32 * 32,
                       value_width = (dim + 15) / 16 * 16, first = head * cache.capacity;
    const auto at = static_cast<std::size_t>(first + position);
    cache.key_scales[at] = code_scale(key, dim);
    cache.value_scales[at] = code_scale(value, dim);
    std::uint8_t* to = cache.key_codes.data() + (first + position / 16 * 16) * key_width;
    each_code(key, dim, cache.key_scales[at], [&](std::int64_t d, std::uint8_t code) {
        to[d / 32 * kTile + q8_code_byte(static_cast<int>(position % 16), in_lanes(d))] = code;
    });
    to = cache.value_codes.data() + first * value_width + position / 32 * kTile;
    each_code(value, dim, cache.value_scales[at], [&](std::int64_t d, std::uint8_t code) {
        to[d / 16 * 16 * cache.capacity +
           q8_code_byte(static_cast<int>(d % 16), in_lanes(position))] = code;
    });
}

}  // namespace hb
