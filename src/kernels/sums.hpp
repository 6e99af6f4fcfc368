// SPDX-License-Identifier: Apache-2.0
// Where the sums of a product's task grow, and how they end: c = c + alpha acc (when adding), then
// + bias, each rounded once. A tile unit visits its sums often and likes those of two panels side
// by side: columns lie in chunks, one behind the other, each with its rows without gaps.
#pragma once

#include <algorithm>

#include "core/error.hpp"
#include "kernels/table.hpp"

namespace hb {

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) {
    return (a + b - 1) / b;
}

constexpr std::int64_t kFewRows = 8;

// Few rows ask for the codes of a task during the one before it.
inline void loop_over(Threads& threads, std::int64_t rows, std::int64_t tasks,
                      const Threads::Body& task) {
    return rows <= kFewRows ? threads.loop_in_runs(tasks, task) : threads.loop(tasks, task);
}

inline void check_product(const Operand& a, const PackedMatrix& b, std::int64_t rows,
                          std::int64_t cols) {
    if (a.k < 1 || a.k != b.k || rows != a.rows || cols != b.n)
        fail("a product of ({}, {}) and ({}, {}) into ({}, {})", a.rows, a.k, b.n, b.k, rows, cols);
}

struct Sums {
    static constexpr std::int64_t kPair = 32;
    float* at;
    std::int64_t rows, chunk;

    float* place(std::int64_t row, std::int64_t column) const {
        return at + column / chunk * chunk * rows + row * chunk + column % chunk;
    }
    void take(Multiply& m, std::int64_t column) const {
        m.c = place(0, column);
        m.c_stride = chunk;
        if (chunk == kPair && m.panels > 2) m.c_pair = chunk * rows;
    }
};

// The chunks of up to `width` columns.
inline std::int64_t chunk_of(const Kernels& kernels, const Operand& a, const PackedMatrix& b,
                             std::int64_t width) {
    const bool few = a.rows <= 2 || b.late || (a.is_whole && b.coding != Coding::none);
    const bool tiles = kernels.panels == 2 && b.precision == Precision::bf16 && !few;
    return tiles ? Sums::kPair : width;
}

// alpha, bias and scales of `columns` columns from `column` on; c is theirs.
inline void finish_chunks(const Kernels& kernels, const Sums& sums, Finish end,
                          std::int64_t columns) {
    for (std::int64_t done = 0; done < columns; done += sums.chunk) {
        Finish part = end;
        part.acc = sums.place(0, done);
        part.acc_stride = sums.chunk;
        part.c = end.c ? end.c + done : sums.place(0, done);
        part.c_stride = end.c ? end.c_stride : sums.chunk;
        part.columns = std::min(sums.chunk, columns - done);
        if (end.bias) part.bias = end.bias + done;
        if (end.column_scales) part.column_scales = end.column_scales + done;
        kernels.finish(part);
    }
}

}  // namespace hb
