// SPDX-License-Identifier: Apache-2.0
// Calibration as a stream: one block in memory at a time, solved site by site on the prefix that is
// already quantized, weights and activations alike (true sequential):
//
//     site    input (lane.hpp)                        statistics       then solved
//     qkv     x0 = norm(h)                            H, D, max |x|    q, k, v
//     o       x1 = attention of quantized q, k, v     of each          o
//     gate/up x2 = norm(h)                                             gate, up
//     down    x3 = silu(gate) up of quantized x2                       down
//
// x is rotated, rounded to bf16, not yet quantized. With the step `reference` a second lane takes
// the model before any quantization through the same sites, and D = sum (x* - x)^T x says how far
// the two have come apart (site_statistics.hpp, quantizers/target.hpp).
#pragma once

#include "calibration/lane.hpp"
#include "calibration/quantize_model.hpp"
#include "calibration/settings.hpp"
#include "calibration/site_statistics.hpp"
#include "calibration/work_folder.hpp"

namespace hb {

// The model's config.json with what was done to it.
Json quantized_config(Json config, const QuantizationConfig& quantization);

struct StreamTotals {
    double linear_flops = 0, hessian_flops = 0, solver_flops = 0, solver_seconds = 0;
};

class Stream {
public:
    // tokens: (sequences, length), or empty when nothing needs calibration
    Stream(const Settings& settings, const Checkpoint& checkpoint, const Kernels& kernels,
           Threads& threads, View<const std::int32_t> tokens, const std::filesystem::path& spill,
           bool on_disk);

    // Quantizes block `layer` (blocks in order) into `work`; gives its report (an array, one entry
    // a linear).
    Json quantize_block(std::int64_t layer, const WorkFolder& work, const QuantizeHooks& hooks);
    // Runs a block that an earlier run finished.
    void pass_block(std::int64_t layer, const WorkFolder& work);
    StreamTotals totals() const;

private:
    Block dense_block(std::int64_t layer) const;
    void leave(Block block, std::optional<Block> dense);
    void keep_until_left(Block& block, std::int64_t layer);
    SiteStatistics collect(const Block& block, const Block* dense, int site);
    Json solve(Block& block, std::int64_t layer, int site, const SiteStatistics& statistics,
               std::vector<TensorToWrite>& tensors, const QuantizeHooks& hooks);

    const Settings& settings_;
    const Checkpoint& checkpoint_;
    Runtime run_;
    Lane lane_;
    std::optional<Lane> reference_;  // of the model before any quantization
    StreamTotals totals_;
};

}  // namespace hb
