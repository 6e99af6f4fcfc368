// SPDX-License-Identifier: Apache-2.0
// The cross-entropy of logits that stay in L2: a task makes kLossColumns logits of some rows, and
// takes from them a part of each row's sum and perhaps its target's logit. The parts are put
// together in order, as log_sum_exp() does with a row that is in memory.
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "kernels/table.hpp"

namespace hb {
namespace {

constexpr std::int64_t kLossColumns = 512, kStride = kLossColumns + 16;

double put_together(std::span<const PartOfSum> parts) {
    float top = -INFINITY;
    for (const PartOfSum& part : parts) top = std::max(top, part.top);
    double sum = 0;
    for (const PartOfSum& part : parts)
        sum += part.sum * std::exp(static_cast<double>(part.top) - static_cast<double>(top));
    return top + std::log(sum);
}

}  // namespace

double log_sum_exp(const Kernels& kernels, const float* x, std::int64_t n) {
    std::vector<PartOfSum> parts;
    for (std::int64_t i = 0; i < n; i += kLossColumns)
        parts.push_back(kernels.sum_exp(x + i, std::min(kLossColumns, n - i)));
    return put_together(parts);
}

void cross_entropy(const Kernels& kernels, Threads& threads, const Operand& a,
                   const PackedMatrix& b, std::span<const std::int32_t> targets,
                   std::span<double> loss, float alpha) {
    const auto rows = static_cast<std::int64_t>(targets.size());
    if (!a.scales.empty() || !b.scales.empty()) fail("the loss of a product with scales");
    if (a.k != b.k || rows != a.rows || loss.size() != targets.size())
        fail("the loss of ({}, {}) and ({}, {}) for {} targets", a.rows, a.k, b.n, b.k, rows);
    for (const auto target : targets)
        if (target < 0 || target >= b.n) fail("target {} of {} columns", target, b.n);
    const std::int64_t across = (b.n + kLossColumns - 1) / kLossColumns,
                       down = (rows + kTileRows - 1) / kTileRows;
    std::vector<PartOfSum> parts(static_cast<std::size_t>(rows * across));
    std::vector<AlignedVector<float>> buffers(static_cast<std::size_t>(threads.count()));
    threads.loop(down * across, [&](std::int64_t i, int thread) {
        auto& buffer = buffers[static_cast<std::size_t>(thread)];
        buffer.resize(static_cast<std::size_t>(kTileRows * kStride));
        const std::int64_t row = i / across * kTileRows, column = i % across * kLossColumns;
        const std::int64_t columns = std::min(kLossColumns, b.n - column);
        Multiply m = left_of(a, row, std::min<std::int64_t>(kTileRows, rows - row));
        take_right(m, b, column / 16, (columns + 15) / 16);
        m.c = buffer.data();
        m.c_stride = kStride;
        kernels.multiply(m);
        if (alpha != 1)
            kernels.finish({m.c, kStride, m.c, kStride, m.rows, columns, alpha, nullptr, false});
        for (std::int64_t r = row; r < row + m.rows; ++r) {
            const auto at = static_cast<std::size_t>(r);
            const float* logits = buffer.data() + (r - row) * kStride;
            parts[at * static_cast<std::size_t>(across) + static_cast<std::size_t>(i % across)] =
                kernels.sum_exp(logits, columns);
            const std::int64_t target = targets[at] - column;
            if (target >= 0 && target < columns) loss[at] = logits[target];
        }
    });
    for (std::size_t r = 0; r < targets.size(); ++r) {
        const auto width = static_cast<std::size_t>(across);
        loss[r] = put_together(std::span(parts).subspan(r * width, width)) - loss[r];
    }
}

}  // namespace hb
