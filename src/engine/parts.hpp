// SPDX-License-Identifier: Apache-2.0
// From the pages of a mapped file to a packed weight, some rows at a time on every thread, which
// are in the core's cache between the two: apart from its place, a weight is never in memory. The
// pages are given back part by part, or the largest tensor would be in memory twice.
#pragma once

#include <optional>
#include <string>

#include "engine/storage.hpp"
#include "io/checkpoint.hpp"
#include "kernels/kernels.hpp"

namespace hb {

// Nothing when there is no such tensor or bf16 does not hold it exactly.
std::optional<PackedMatrix> load_bf16(const Checkpoint& checkpoint, const std::string& name,
                                      std::int64_t rows, std::int64_t cols, Threads& threads);
struct QuantizedWeight {
    PackedMatrix weight;
    float divisor = 1;
};
// Nothing when the module is dense. The bits are those of make_linear's weight.
std::optional<QuantizedWeight> load_quantized(const Checkpoint& checkpoint,
                                              const std::string& module, std::int64_t rows,
                                              std::int64_t cols, WeightStorage storage,
                                              Threads& threads);
// Rows of a tensor where a row has `row_bytes`: whole panels, small against a core's cache.
std::int64_t rows_of_part(std::int64_t row_bytes);

}  // namespace hb
