// SPDX-License-Identifier: Apache-2.0
// The main job: a model on disk in, a quantized model on disk out, block by block
// (quantize_model.cpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/json.hpp"

namespace hb {

struct QuantizeOptions {
    std::string model;
    std::filesystem::path out;
    std::string scheme = "nvfp4", recipe = "mr-gptq";
    // "TARGET=SCHEME": a module or "re:..." of another scheme, with the recipe's rules for it.
    std::vector<std::string> scheme_for;
    // Empty: the recipe's choice for the scheme. The rules are those of `scheme` alone.
    std::string transform, weight_rule, activation_rule;
    std::string steps;  // of the solution, with commas between; "none": as the paper's GPTQ
    std::optional<double> damping;  // relative to the mean of the Hessian's diagonal
    // Where the transform is applied: online (all four sites, recorded), offline (folded into the
    // weights, all but down's input), offline+down (down's input online).
    std::string rotation = "online";
    // "balanced" (model/balanced_channels.hpp) or "plain"; empty: the recipe's choice.
    std::string channels;
    std::filesystem::path calibration;  // empty: 32 x 512 tokens sampled from the model
    std::int64_t sequences = 128, sequence_length = 2048;
    std::vector<std::string> ignore;  // modules or "re:..." left in 16 bits (lm_head always)
    std::uint64_t seed = 0;
    int threads = 1;
    bool resume = false, activations_on_disk = false;
};

struct Progress {
    std::int64_t done = 0, total = 0;  // blocks; total 0: a stage without a count
    std::string stage;                 // "block 3: gate_up"
};

struct QuantizeHooks {
    std::function<void(const Progress&)> progress;
    std::function<void(const std::string&)>
        notice;  // one line: a damping retry, a dead column, ...
};

// The result as quantize --json writes it: seconds, peak_rss_bytes, flops, solver_seconds,
// gemm_gflops, layers[] (name, weight_mse, output_error, damping, dead_columns, seconds), scheme,
// recipe, transforms, ...
Json quantize_model(const QuantizeOptions& options, const QuantizeHooks& hooks);

// Checks shapes, names, patterns, disk and memory without writing; predicts seconds, peak memory
// and output size: {"seconds", "peak_rss_bytes", "output_bytes", "layers", ...}.
Json plan_quantization(const QuantizeOptions& options);

}  // namespace hb
