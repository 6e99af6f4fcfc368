// SPDX-License-Identifier: Apache-2.0
// Weights, keys and values into panels: rows n of the right side by 16, k by 32; the place of (n,
// k) in its panel and block is 32 times its pair (k mod 16), plus 2 times n mod 16, plus the half
// of the block.
#include <algorithm>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "kernels/kv_codes.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

std::int64_t round_up(std::int64_t x, std::int64_t to) {
    return (x + to - 1) / to * to;
}

std::int64_t place(std::int64_t n, std::int64_t k, std::int64_t blocks) {
    return (n / 16 * blocks + k / 32) * kTile + k % 16 * 32 + n % 16 * 2 + k / 16 % 2;
}

std::uint16_t convert(std::uint16_t bits, std::uint16_t*) {
    return bits;
}
std::uint16_t convert(float x, std::uint16_t*) {
    return float_to_bf16(x);
}
float convert(float x, float*) {
    return x;
}

// Rows [n, n + 16) and columns [k, k + 32) of w, zeros where it ends.
template <class From, class To>
void fill_tile(View<const From> w, std::int64_t n, std::int64_t k, To* out) {
    To rows[16][kBlock] = {};
    const std::int64_t width = std::min<std::int64_t>(kBlock, w.cols - k);
    for (std::int64_t l = 0; l < std::min<std::int64_t>(16, w.rows - n); ++l) {
        const From* from = w.row(n + l) + k;
        for (std::int64_t i = 0; i < width; ++i)
            rows[l][i] = convert(from[i], static_cast<To*>(nullptr));
    }
    for (int j = 0; j < 16; ++j) {
        for (int l = 0; l < 16; ++l) {
            out[32 * j + 2 * l] = rows[l][j];
            out[32 * j + 2 * l + 1] = rows[l][j + 16];
        }
    }
}

std::size_t padded_size(std::int64_t n, std::int64_t k) {
    return static_cast<std::size_t>(round_up(n, 16) * round_up(k, 32));
}

template <class From, class To>
void fill_panel(View<const From> w, std::int64_t n, To* out) {
    for (std::int64_t k = 0; k < w.cols; k += kBlock, out += kTile) fill_tile(w, n, k, out);
}

template <class From, class To>
void fill(View<const From> w, AlignedVector<To>& out, Threads& threads) {
    const std::int64_t panels = round_up(w.rows, 16) / 16, size = 16 * round_up(w.cols, 32);
    out.resize(padded_size(w.rows, w.cols));
    threads.loop(panels, [&](std::int64_t panel, int) {
        fill_panel(w, panel * 16, out.data() + panel * size);
    });
}

}  // namespace

PackedMatrix pack(View<const float> w, Precision precision, Threads& threads) {
    PackedMatrix out{w.rows, w.cols, precision, {}, {}};
    if (precision == Precision::bf16)
        fill(w, out.narrow, threads);
    else
        fill(w, out.wide, threads);
    return out;
}

PackedMatrix pack_bf16(View<const std::uint16_t> w, Threads& threads) {
    PackedMatrix out{w.rows, w.cols, Precision::bf16, {}, {}};
    fill(w, out.narrow, threads);
    return out;
}

PackedMatrix make_room(std::int64_t n, std::int64_t k) {
    PackedMatrix out{n, k, Precision::bf16, {}, {}};
    out.narrow.resize(padded_size(n, k));
    return out;
}

void pack_rows(View<const std::uint16_t> part, std::int64_t first, PackedMatrix& out) {
    const std::int64_t size = 16 * round_up(out.k, 32);
    for (std::int64_t n = 0; n < part.rows; n += 16)
        fill_panel(part, n, out.narrow.data() + (first + n) / 16 * size);
}

KvCache::KvCache(std::int64_t kv_heads_, std::int64_t head_dim_, std::int64_t capacity_,
                 Precision precision_, bool coded_)
    : kv_heads(kv_heads_),
      head_dim(head_dim_),
      capacity(capacity_),
      precision(coded_ ? Precision::bf16 : precision_),
      coded(coded_) {
    if (capacity % 32 != 0) fail("a cache of {} positions; wanted a multiple of 32", capacity);
    const auto keys = static_cast<std::size_t>(kv_heads * capacity * round_up(head_dim, 32));
    const auto values = static_cast<std::size_t>(kv_heads * capacity * round_up(head_dim, 16));
    if (coded) {
        const auto scales = static_cast<std::size_t>(kv_heads * capacity);
        key_codes.assign(keys, 128);
        value_codes.assign(values, 128);
        key_scales.assign(scales, 0);
        value_scales.assign(scales, 0);
    } else if (precision == Precision::bf16) {
        narrow_keys.assign(keys, 0);
        narrow_values.assign(values, 0);
    } else {
        wide_keys.assign(keys, 0);
        wide_values.assign(values, 0);
    }
}

std::int64_t bytes_of(const KvCache& c) {
    return static_cast<std::int64_t>(2 * (c.narrow_keys.size() + c.narrow_values.size() +
                                          c.key_scales.size() + c.value_scales.size()) +
                                     4 * (c.wide_keys.size() + c.wide_values.size()) +
                                     c.key_codes.size() + c.value_codes.size());
}

void append(KvCache& cache, Threads& threads, View<const float> k, View<const float> v) {
    if (cache.length + k.rows > cache.capacity) {
        fail("{} positions do not fit: the cache holds {} of {}", k.rows, cache.length,
             cache.capacity);
    }
    const std::int64_t key_blocks = round_up(cache.head_dim, 32) / 32,
                       value_blocks = cache.capacity / 32;
    const auto put = [&](std::int64_t r, std::int64_t head, auto& keys, auto& values) {
        using T = std::remove_reference_t<decltype(keys[0])>;
        const std::int64_t position = cache.length + r, first = head * cache.head_dim;
        T* key =
            keys.data() + head * cache.capacity * key_blocks * 32 + place(position, 0, key_blocks);
        T* value = values.data() + head * cache.capacity * round_up(cache.head_dim, 16) +
                   place(0, position, value_blocks);
        for (std::int64_t d = 0; d < cache.head_dim; d += 16) {
            T part[2][16] = {};
            const std::int64_t n = std::min<std::int64_t>(16, cache.head_dim - d);
            for (std::int64_t i = 0; i < n; ++i) {
                part[0][i] = convert(k(r, first + d + i), static_cast<T*>(nullptr));
                part[1][i] = convert(v(r, first + d + i), static_cast<T*>(nullptr));
            }
            for (std::int64_t i = 0; i < n; ++i) {
                key[d / 32 * kTile + d / 16 % 2 + 32 * i] = part[0][i];
                value[d / 16 * value_blocks * kTile + 2 * i] = part[1][i];
            }
        }
    };
    threads.loop(round_up(k.rows, 32) / 32, [&](std::int64_t part, int) {
        for (std::int64_t r = 32 * part; r < std::min(k.rows, 32 * part + 32); ++r) {
            for (std::int64_t head = 0; head < cache.kv_heads; ++head) {
                const std::int64_t at = head * cache.head_dim;
                if (cache.coded)
                    put_codes(cache, cache.length + r, head, k.row(r) + at, v.row(r) + at);
                else if (cache.precision == Precision::bf16)
                    put(r, head, cache.narrow_keys, cache.narrow_values);
                else
                    put(r, head, cache.wide_keys, cache.wide_values);
            }
        }
    });
    cache.length += k.rows;
}

}  // namespace hb
