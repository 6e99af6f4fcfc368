// SPDX-License-Identifier: Apache-2.0
// Exact attention, a block of positions of all query heads of one key head at a time, by the
// table's look(). Positions that a row does not see contribute products that are exactly zero,
// which is why blocks of 32 that no row sees are left out and a row's bits depend neither on its
// neighbours nor on how much the cache holds.
#include <algorithm>
#include <numbers>
#include <vector>

#include "core/error.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

constexpr std::int64_t kLookRows = 96;  // of all heads together: scores stay in L1

struct Scratch {
    AlignedVector<float> row, wide_q, scores, sums, wide_p, out;
    AlignedVector<std::uint16_t> narrow_q, narrow_p;
};

struct Block {
    std::int64_t head, row, rows;  // key head; rows of q
    std::int64_t low, high;        // positions that some row sees, by whole blocks of 32
};

// Left sides have one row for each query head and row, laid out as in an Operand.
struct Heads {
    std::int64_t count, group, dim, key_blocks, value_panels;  // group: query heads of a key head

    std::int64_t step(const Block& b) const {
        return kBlock * std::min<std::int64_t>(16, group * b.rows);
    }
    std::int64_t padded_rows(const Block& b) const { return (group * b.rows + 15) / 16 * 16; }
};

template <class T>
T* room(AlignedVector<T>& v, std::int64_t n) {
    if (static_cast<std::int64_t>(v.size()) < n) v.resize(static_cast<std::size_t>(n));
    return v.data();
}

// q's heads one below the other, each with its rows, as a left side.
void gather_queries(const Kernels& kernels, View<const float> q, const Heads& h, const Block& b,
                    bool narrow, Scratch& s) {
    const std::int64_t width = h.key_blocks * kBlock, count = h.padded_rows(b) * width;
    if (narrow)
        room(s.narrow_q, count);
    else
        room(s.wide_q, count);
    const std::int64_t step = h.step(b);
    float* row = room(s.row, width);
    std::fill(row, row + width, 0.f);
    for (std::int64_t i = 0; i < h.group * b.rows; ++i) {
        const std::int64_t head = b.head * h.group + i / b.rows,
                           to = i / 16 * 16 * width + i % 16 * kBlock;
        std::copy_n(q.row(b.row + i % b.rows) + head * h.dim, h.dim, row);
        kernels.to_lanes(row, width, narrow ? s.narrow_q.data() + to : nullptr,
                         narrow ? nullptr : s.wide_q.data() + to, step);
    }
}

void look(const Kernels& kernels, const KvCache& cache, const Heads& h, const Block& b,
          std::int64_t first, std::int64_t window, float scale, Scratch& s) {
    std::int64_t begin[kTileRows], end[kTileRows];
    for (std::int64_t i = 0; i < h.group * b.rows; ++i) {
        end[i] = first + b.row + i % b.rows + 1;
        begin[i] = window > 0 ? std::max<std::int64_t>(0, end[i] - window) : 0;
    }
    Look l;
    l.value_stride = cache.capacity / kBlock * kTile;
    const std::int64_t keys = b.head * cache.capacity / 16 * h.key_blocks * kTile,
                       values = b.head * h.value_panels * l.value_stride,
                       room_p = h.padded_rows(b) * kLookColumns;
    if (cache.coded) {
        l.narrow_q = s.narrow_q.data();
        l.key_codes = cache.key_codes.data() + keys;
        l.value_codes = cache.value_codes.data() + values;
        l.key_scales = cache.key_scales.data() + b.head * cache.capacity;
        l.value_scales = cache.value_scales.data() + b.head * cache.capacity;
        l.narrow_p = room(s.narrow_p, room_p);
    } else if (cache.precision == Precision::bf16) {
        l.narrow_q = s.narrow_q.data();
        l.narrow_keys = cache.narrow_keys.data() + keys;
        l.narrow_values = cache.narrow_values.data() + values;
        l.narrow_p = room(s.narrow_p, room_p);
    } else {
        l.wide_q = s.wide_q.data();
        l.wide_keys = cache.wide_keys.data() + keys;
        l.wide_values = cache.wide_values.data() + values;
        l.wide_p = room(s.wide_p, room_p);
    }
    l.a_step = h.step(b);
    l.rows = static_cast<int>(h.group * b.rows);
    l.key_blocks = static_cast<int>(h.key_blocks);
    l.value_panels = static_cast<int>(h.value_panels);
    l.begin = begin;
    l.end = end;
    l.low = b.low;
    l.high = b.high;
    l.scale = scale;
    l.scores = room(s.scores, l.rows * kScoreStride);
    l.sums = room(s.sums, l.rows * 16);
    l.out = room(s.out, l.rows * 16 * h.value_panels);
    kernels.look(l);
}

void check(View<const float> q, std::int64_t first, const KvCache& cache, View<float> out) {
    const std::int64_t width = cache.kv_heads * cache.head_dim;
    if (width == 0 || q.cols % width != 0 || q.cols / width > kTileRows ||
        cache.head_dim > 16 * kTilePanels || out.rows != q.rows || out.cols != q.cols) {
        fail("attention of ({}, {}) queries into ({}, {}) over {} key heads of {}", q.rows, q.cols,
             out.rows, out.cols, cache.kv_heads, cache.head_dim);
    }
    if (first < 0 || first + q.rows > cache.length) {
        fail("queries at positions {}..{} but keys up to {}", first, first + q.rows - 1,
             cache.length - 1);
    }
}

}  // namespace

void attention(const Kernels& kernels, Threads& threads, View<const float> q, std::int64_t first,
               const KvCache& cache, float scale, std::int64_t window, View<float> out) {
    check(q, first, cache, out);
    const bool narrow = cache.precision == Precision::bf16;
    const std::int64_t count = q.cols / cache.head_dim, group = count / cache.kv_heads;
    const Heads heads{count, group, cache.head_dim, (cache.head_dim + 31) / 32,
                      (cache.head_dim + 15) / 16};
    const std::int64_t height = std::max<std::int64_t>(kLookRows / group, 1);
    const std::int64_t blocks = (q.rows + height - 1) / height;
    const auto in_twos = static_cast<float>(scale * std::numbers::log2e);
    std::vector<Scratch> scratch(static_cast<std::size_t>(threads.count()));
    threads.loop(blocks * cache.kv_heads, [&](std::int64_t i, int thread) {
        const std::int64_t row = (blocks - 1 - i / cache.kv_heads) * height;  // the longest first
        Block b{i % cache.kv_heads, row, std::min(height, q.rows - row), 0, 0};
        if (window > 0)
            b.low = std::max<std::int64_t>(0, first + row + 1 - window) / kBlock * kBlock;
        b.high = (first + row + b.rows + kBlock - 1) / kBlock * kBlock;
        Scratch& s = scratch[static_cast<std::size_t>(thread)];
        gather_queries(kernels, q, heads, b, narrow, s);
        look(kernels, cache, heads, b, first, window, in_twos, s);
        const std::int64_t columns = 16 * heads.value_panels;
        for (std::int64_t r = 0; r < group * b.rows; ++r) {
            std::copy_n(s.out.data() + r * columns, heads.dim,
                        out.row(b.row + r % b.rows) + (b.head * group + r / b.rows) * heads.dim);
        }
    });
}

}  // namespace hb
