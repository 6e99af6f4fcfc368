// SPDX-License-Identifier: Apache-2.0
// Calibration as a stream: one block in memory at a time, solved site by site on the prefix that is
// already quantized, weights and activations alike (true sequential):
//
//     site   statistics: H += x^T x, max |x|         then solved          then
//     qkv    x0 = norm(h)                            q, k, v
//     o      x1 = attention of quantized q, k, v     o                    h += x1 Wo^T, stored
//     gate/up x2 = norm(h)                           gate, up
//     down   x3 = silu(gate) up of quantized x2      down                 h += x3 Wd^T, stored
//
// x is rotated, rounded to bf16, not yet quantized. Memory holds the residual stream and
// kBetweenBytes of what else is needed twice, the rest of which goes to a file: x1, then the
// quantized x3, in codes, where it does not depend on the statistics (MX), else the quantized x2,
// of which gate and up are computed again. A block is left when the next one's first site is
// entered. Between two attentions a few rows are taken from memory through a
// site by one thread, and stay in its cache until they are stored, or transposed for H.
#pragma once

#include <functional>

#include "calibration/activation_store.hpp"
#include "calibration/quantize_model.hpp"
#include "calibration/settings.hpp"
#include "calibration/work_folder.hpp"
#include "engine/decoder.hpp"

namespace hb {

// The model's config.json with what was done to it.
Json quantized_config(Json config, const QuantizationConfig& quantization);

constexpr std::int64_t kBetweenBytes = 192 << 20;
// Columns of x1, and of x2 and x3 as they are kept.
std::int64_t widest_between(const ModelConfig& config);

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
    const StreamTotals& totals() const { return totals_; }

private:
    struct Statistics {
        Matrix<float> hessian;  // (in, in), empty when the quantizer needs none
        float largest = 0;
    };

    // What a thread needs for rows that it takes from memory and through a site alone.
    struct Worker {
        Scratch scratch;
        Matrix<float> h, x1;
        Operand observed;
        AlignedVector<std::uint16_t> codes;
        float largest = 0;
    };
    using OnRows =
        std::function<void(const Runtime&, int thread, std::int64_t first, std::int64_t rows)>;
    void in_parts(std::int64_t first, std::int64_t end, const OnRows& body);
    View<float> load_rows(int thread, std::int64_t sequence, std::int64_t first, std::int64_t rows);
    View<float> enter_site(const Runtime& own, const Block& block, int site, int thread,
                           std::int64_t sequence, std::int64_t first, std::int64_t rows);
    void attend_sequence(const Block& block, std::int64_t sequence);
    void visit_site(const Block& block, int site, Statistics* statistics);
    void keep_hidden(int thread, std::int64_t sequence, std::int64_t first);
    bool load_hidden(int thread, std::int64_t sequence, std::int64_t first, std::int64_t rows);
    void leave_block(const Runtime& own, int thread, std::int64_t sequence, std::int64_t first,
                     View<float> h);
    void keep_until_left(Block& block, std::int64_t layer);
    Statistics collect(const Block& block, int site);
    Json solve(Block& block, std::int64_t layer, int site, const Statistics& statistics,
               std::vector<TensorToWrite>& tensors, const QuantizeHooks& hooks);
    void count_linears(int site, std::int64_t rows);

    const Settings& settings_;
    const Checkpoint& checkpoint_;
    Runtime run_;
    View<const std::int32_t> tokens_;
    ActivationStore store_;      // h
    ActivationStore between_;    // x1 from site 1 to 2, then x2 or x3 from site 3 to the next block
    std::optional<Block> left_;  // the block before, until h has moved through its end
    enum class Kept { nothing, x2, x3 } kept_ = Kept::nothing;  // of that block
    KvCache cache_;
    Pass pass_;
    Scratch scratch_;
    std::vector<Worker> workers_;
    Transposed transposed_;
    Matrix<float> h_;
    StreamTotals totals_;
};

}  // namespace hb
