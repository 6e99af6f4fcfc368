// SPDX-License-Identifier: Apache-2.0
#include "engine/parts.hpp"

#include <algorithm>
#include <atomic>

namespace hb {
namespace {

constexpr std::int64_t kPartBytes = 256 << 10;

// body(first, count) for the parts of n rows.
template <class Body>
void for_parts(std::int64_t n, std::int64_t part, Threads& threads, const Body& body) {
    threads.loop((n + part - 1) / part,
                 [&](std::int64_t i, int) { body(i * part, std::min(part, n - i * part)); });
}

}  // namespace

std::int64_t rows_of_part(std::int64_t row_bytes) {
    return std::max<std::int64_t>(1, kPartBytes / std::max<std::int64_t>(1, row_bytes) / 16) * 16;
}

std::optional<PackedMatrix> load_bf16(const Checkpoint& checkpoint, const std::string& name,
                                      std::int64_t rows, std::int64_t cols, Threads& threads) {
    const TensorInfo* info = checkpoint.find(name);
    if (!info || info->shape != std::vector{rows, cols} ||
        !checkpoint.read_bf16_rows(name, 0, std::min<std::int64_t>(rows, 16), cols))
        return std::nullopt;
    PackedMatrix out = make_room(rows, cols);
    std::atomic<bool> exact = true;
    for_parts(rows, rows_of_part(2 * cols), threads, [&](std::int64_t first, std::int64_t count) {
        if (!exact) return;
        const auto part = checkpoint.read_bf16_rows(name, first, count, cols);
        if (!part) {
            exact = false;
            return;
        }
        pack_rows(part->view(), first, out);
        checkpoint.drop_rows(name, first, count);
    });
    if (!exact) return std::nullopt;
    checkpoint.drop(name);
    return out;
}

std::optional<QuantizedWeight> load_quantized(const Checkpoint& checkpoint,
                                              const std::string& module, std::int64_t rows,
                                              std::int64_t cols, WeightStorage storage,
                                              Threads& threads) {
    const QuantizedRows read = checkpoint.quantized_rows(module, rows, cols);
    if (!read) return std::nullopt;
    const QTensor none = read(0, 0);
    const bool coded = keeps_codes(none.scheme->family, storage);
    QuantizedWeight out{coded ? make_room(*none.scheme, rows, cols) : make_room(rows, cols),
                        none.scales.divisor};
    if (none.scheme->by_row()) out.weight.scales.resize(static_cast<std::size_t>(rows));
    std::atomic<bool> moderate = true;
    for_parts(rows, rows_of_part(cols), threads, [&](std::int64_t first, std::int64_t count) {
        const QTensor part = read(first, count);
        const std::vector<float> scales = row_scales(part);
        std::copy(scales.begin(), scales.end(), out.weight.scales.begin() + first);
        if (!coded)
            pack_rows(dequantize_bf16(part).view(), first, out.weight);
        else if (!pack_rows(part, first, out.weight))
            moderate = false;
    });
    if (coded) out.weight.moderate = moderate;
    checkpoint.drop(module);
    return out;
}

}  // namespace hb
