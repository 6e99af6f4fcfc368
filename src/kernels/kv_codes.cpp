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

constexpr int kStep = 16;  // numbers of a head: a panel of values, half a block of keys

// Codes plus 128; all are of 0 under a scale of zero or NaN.
void encode(const float* x, int n, float scale, std::uint8_t (&codes)[kStep]) {
    float quotients[kStep] = {};
    if (scale > 0)
        for (int i = 0; i < n; ++i) quotients[i] = x[i] / scale;
    for (int i = 0; i < kStep; ++i)
        codes[i] = static_cast<std::uint8_t>(Int8::encode(quotients[i]) + 128);
}

// Calls put(first, count, codes) for x (n), step by step.
template <class Put>
void each_step(const float* x, std::int64_t n, std::uint16_t scale, Put put) {
    std::uint8_t codes[kStep];
    for (std::int64_t first = 0; first < n; first += kStep) {
        const auto count = static_cast<int>(std::min<std::int64_t>(kStep, n - first));
        encode(x + first, count, bf16_to_float(scale), codes);
        put(first, count, codes);
    }
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
    const auto row = static_cast<int>(position % 16);
    std::uint8_t* to = cache.key_codes.data() + (first + position - row) * key_width;
    each_step(key, dim, cache.key_scales[at],
              [&](std::int64_t d, int count, const std::uint8_t* codes) {
                  std::uint8_t* tile = to + d / kBlock * kTile;
                  const auto half = static_cast<int>(d / kStep % 2);
                  for (int i = 0; i < count; ++i) tile[q8_code_byte(row, 2 * i + half)] = codes[i];
              });
    const int lane = 2 * row + static_cast<int>(position / 16 % 2);
    to = cache.value_codes.data() + first * value_width + position / kBlock * kTile;
    each_step(value, dim, cache.value_scales[at],
              [&](std::int64_t d, int count, const std::uint8_t* codes) {
                  std::uint8_t* tile = to + d * cache.capacity;
                  for (int i = 0; i < count; ++i) tile[q8_code_byte(i, lane)] = codes[i];
              });
}

}  // namespace hb
