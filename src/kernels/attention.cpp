// SPDX-License-Identifier: Apache-2.0
// Exact attention, a block of positions of all query heads of one key head at a time: scores,
// softmax over the positions that a row sees, probabilities rounded to the cache's precision, times
// the values. Positions outside contribute products that are exactly zero, which is why blocks of
// 32 that no row sees are left out and a row's bits depend neither on its neighbours nor on how
// much the cache holds.
#include <algorithm>
#include <vector>

#include "core/error.hpp"
#include "kernels/table.hpp"

namespace hb {

namespace {

struct Scratch {
    AlignedVector<float> row, scores, wide_q, wide_p, out;
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

std::int64_t place(std::int64_t row, std::int64_t width) {
    return row / 16 * 16 * width + row % 16 * kBlock;
}

float* room(AlignedVector<float>& v, std::int64_t n) {
    if (static_cast<std::int64_t>(v.size()) < n) v.resize(static_cast<std::size_t>(n));
    return v.data();
}
std::uint16_t* room(AlignedVector<std::uint16_t>& v, std::int64_t n) {
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
    for (std::int64_t g = 0; g < h.group; ++g) {
        for (std::int64_t r = 0; r < b.rows; ++r) {
            std::copy_n(q.row(b.row + r) + (b.head * h.group + g) * h.dim, h.dim, row);
            const std::int64_t to = place(g * b.rows + r, width);
            kernels.to_lanes(row, width, narrow ? s.narrow_q.data() + to : nullptr,
                             narrow ? nullptr : s.wide_q.data() + to, step);
        }
    }
}

void multiply_keys(const Kernels& kernels, const KvCache& cache, const Heads& h, const Block& b,
                   Scratch& s) {
    const bool narrow = cache.precision == Precision::bf16;
    const std::int64_t width = b.high - b.low, rows = h.group * b.rows;
    room(s.scores, (width + kScoreColumns - 1) / kScoreColumns * rows * kScoreStride);
    Multiply m;
    if (narrow)
        m.narrow_a = s.narrow_q.data();
    else
        m.wide_a = s.wide_q.data();
    m.a_step = h.step(b);
    m.a_stride = m.b_stride = h.key_blocks * kTile;
    m.blocks = h.key_blocks;
    m.rows = static_cast<int>(rows);
    m.c = s.scores.data();
    m.c_stride = kScoreStride;
    for (std::int64_t first = 0; first < width; first += kScoreColumns) {
        const std::int64_t from = (b.head * cache.capacity + b.low + first) / 16 * m.b_stride;
        if (narrow)
            m.narrow_b = cache.narrow_keys.data() + from;
        else
            m.wide_b = cache.wide_keys.data() + from;
        m.panels = static_cast<int>(std::min<std::int64_t>(kScoreColumns, width - first) / 16);
        kernels.multiply(m);
        m.c += rows * kScoreStride;
    }
}

void take_softmax(const Kernels& kernels, std::int64_t first, float scale, std::int64_t window,
                  bool narrow, const Heads& h, const Block& b, Scratch& s) {
    const std::int64_t width = b.high - b.low, count = h.padded_rows(b) * width;
    if (narrow)
        room(s.narrow_p, count);
    else
        room(s.wide_p, count);
    std::int64_t begin[kTileRows], end[kTileRows];
    for (std::int64_t i = 0; i < h.group * b.rows; ++i) {
        const std::int64_t past = first + b.row + i % b.rows + 1;
        end[i] = past - b.low;
        begin[i] = (window > 0 ? std::max<std::int64_t>(0, past - window) : 0) - b.low;
    }
    kernels.softmax({s.scores.data(), static_cast<int>(h.group * b.rows), width, begin, end, scale,
                     narrow ? s.narrow_p.data() : nullptr, narrow ? nullptr : s.wide_p.data(),
                     h.step(b)});
}

void multiply_values(const Kernels& kernels, const KvCache& cache, const Heads& h, const Block& b,
                     Scratch& s, View<float> out) {
    const bool narrow = cache.precision == Precision::bf16;
    const std::int64_t width = b.high - b.low, columns = 16 * h.value_panels;
    Multiply m;
    if (narrow)
        m.narrow_a = s.narrow_p.data();
    else
        m.wide_a = s.wide_p.data();
    m.a_step = h.step(b);
    m.a_stride = width / kBlock * kTile;
    m.blocks = width / kBlock;
    m.b_stride = cache.capacity / kBlock * kTile;
    m.rows = static_cast<int>(h.group * b.rows);
    m.c = room(s.out, h.group * b.rows * columns);
    m.c_stride = columns;
    for (std::int64_t panel = 0; panel < h.value_panels; panel += kTilePanels) {
        const std::int64_t from =
            (b.head * h.value_panels + panel) * m.b_stride + b.low / kBlock * kTile;
        if (narrow)
            m.narrow_b = cache.narrow_values.data() + from;
        else
            m.wide_b = cache.wide_values.data() + from;
        m.panels = static_cast<int>(std::min<std::int64_t>(kTilePanels, h.value_panels - panel));
        m.c = s.out.data() + 16 * panel;
        kernels.multiply(m);
    }
    for (std::int64_t i = 0; i < h.group * b.rows; ++i) {
        const std::int64_t head = b.head * h.group + i / b.rows;
        std::copy_n(s.out.data() + i * columns, h.dim, out.row(b.row + i % b.rows) + head * h.dim);
    }
}

void check(View<const float> q, std::int64_t first, const KvCache& cache, View<float> out) {
    const std::int64_t width = cache.kv_heads * cache.head_dim;
    if (width == 0 || q.cols % width != 0 || q.cols / width > kTileRows || out.rows != q.rows ||
        out.cols != q.cols) {
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
    const std::int64_t high = cache.length > 1024 ? 48 : 96;  // a block's scores stay in L2
    const std::int64_t height = std::clamp<std::int64_t>(high / group, 1, 64);
    const std::int64_t blocks = (q.rows + height - 1) / height;
    std::vector<Scratch> scratch(static_cast<std::size_t>(threads.count()));
    threads.loop(blocks * cache.kv_heads, [&](std::int64_t i, int thread) {
        const std::int64_t row = (blocks - 1 - i / cache.kv_heads) * height;  // the longest first
        Block b{i % cache.kv_heads, row, std::min(height, q.rows - row), 0, 0};
        if (window > 0)
            b.low = std::max<std::int64_t>(0, first + row + 1 - window) / kBlock * kBlock;
        b.high = (first + row + b.rows + kBlock - 1) / kBlock * kBlock;
        Scratch& s = scratch[static_cast<std::size_t>(thread)];
        gather_queries(kernels, q, heads, b, narrow, s);
        multiply_keys(kernels, cache, heads, b, s);
        take_softmax(kernels, first, scale, window, narrow, heads, b, s);
        multiply_values(kernels, cache, heads, b, s, out);
    });
}

}  // namespace hb
