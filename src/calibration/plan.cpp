// SPDX-License-Identifier: Apache-2.0
// What a run would take, from shapes alone: time = counted operations over the bf16 rate measured
// now, with the factor that a whole run takes over its products; memory as the stream holds it.
#include <sys/statvfs.h>

#include <algorithm>

#include "calibration/channel_energies.hpp"
#include "calibration/dataset.hpp"
#include "calibration/settings.hpp"
#include "calibration/stream.hpp"
#include "core/error.hpp"
#include "kernels/kernels.hpp"

namespace hb {
namespace {

constexpr double kTimesFloor = 1.6;   // wall time over products, as measured (bench/results)
constexpr double kBaseBytes = 150e6;  // code, tables, buffers of a few hundred rows

struct Work {
    double linear = 0, hessian = 0, solver = 0, weights = 0, block_weights = 0, largest_in = 0;
};

// The stream computes attention's inputs twice, gate and up twice (stream.hpp).
Work count(const Settings& s, double tokens) {
    Work w;
    std::array<double, 4> inputs{};
    double twice = 0;  // blocks that compute gate and up twice
    for (std::int64_t layer = 0; layer < s.config.layers; ++layer)
        twice += s.keeps_hidden(layer) ? 0 : 1;
    const auto layers = static_cast<double>(s.config.layers);
    for (const LinearName& linear : block_linears()) {
        const LinearShape shape = linear_shape(s.config, linear.name);
        const double size = static_cast<double>(shape.out * shape.in),
                     in = static_cast<double>(shape.in);
        w.block_weights += size;
        w.linear += 2 * tokens * size * (layers + (linear.site == 2 ? twice : 0));
        w.solver += size * in;
        inputs[static_cast<std::size_t>(linear.site)] = in;
        w.largest_in = std::max(w.largest_in, in);
    }
    for (const double in : inputs) {
        w.hessian += 2 * tokens * in * in;
        w.solver += in * in * in * 2 / 3;
    }
    if (s.steps.reference) w.linear *= 2, w.hessian *= 3, w.solver *= 4;
    if (s.steps.descent) w.solver *= 2;
    if (!s.quantizer->needs_hessian) w.hessian = w.solver = 0;
    w.hessian *= layers, w.solver *= layers;
    w.weights = w.block_weights * layers;
    return w;
}

double free_bytes(std::filesystem::path folder) {
    folder = std::filesystem::absolute(folder);
    while (!std::filesystem::exists(folder) && folder.has_relative_path())
        folder = folder.parent_path();
    struct statvfs info {};
    if (::statvfs(folder.c_str(), &info) != 0) return -1;
    return static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize);
}

}  // namespace

Json plan_quantization(const QuantizeOptions& options) {
    Checkpoint dense = Checkpoint::open(options.model);
    const Settings s = make_settings(options, dense);
    const Checkpoint checkpoint = rotated_for(s, std::move(dense));
    if (std::filesystem::exists(options.out) && !std::filesystem::is_empty(options.out) &&
        !options.resume)
        fail("{} is not empty; choose another folder, or --resume to go on with it",
             options.out.string());
    std::int64_t sequences = 32, length = 512;
    if (!options.calibration.empty()) {
        const auto rows = cut_rows(read_tokens(options.calibration, checkpoint, s.config),
                                   options.sequences, options.sequence_length);
        sequences = rows.rows, length = rows.cols;
    }
    const double tokens = s.needs_statistics() ? static_cast<double>(sequences * length) : 0;
    Work work = count(s, tokens);
    if (s.balanced)
        work.linear += 2 * work.weights *
                       static_cast<double>(std::min(sequences * length, kEnergyTokens + length));
    double output = 0;
    const auto quantized = quantized_weights(s);
    for (const TensorInfo& info : checkpoint.tensors()) {
        double elements = 1;
        for (const auto n : info.shape) elements *= static_cast<double>(n);
        const auto codes = quantized.find(info.name);
        output += elements * (codes != quantized.end() ? codes->second->bits_per_weight() / 8
                              : info.dtype == "F32"    ? 4
                                                       : 2);
    }

    Threads threads(options.threads);
    const double rate =
        measured_gflops(pick_kernels(), threads, 512, s.config.intermediate, s.config.hidden) * 1e9;
    const double lanes = s.steps.reference ? 2 : 1;
    const double activations =
        options.activations_on_disk ? 0 : lanes * tokens * static_cast<double>(s.config.hidden) * 2;
    const double hessians = s.quantizer->needs_hessian
                                ? work.largest_in * work.largest_in * (s.steps.reference ? 24 : 12)
                                : 0;
    const double disk = free_bytes(options.out);
    const double between = tokens * static_cast<double>(widest_between(s.config)) * 2;
    const double spilled =
        lanes * (options.activations_on_disk
                     ? tokens * static_cast<double>(s.config.hidden) * 2 + between
                     : std::max(0.0, between - static_cast<double>(kBetweenBytes)));
    const double needed = 2 * output + spilled;
    if (disk >= 0 && disk < needed)
        fail("{}: {:.1f} GB free on its disk, the run needs {:.1f} GB; choose another place",
             options.out.string(), disk * 1e-9, needed * 1e-9);
    return {{"layers", s.config.layers * 7},
            {"scheme", s.quantization.schemes()},
            {"recipe", s.recipe->name},
            {"transforms",
             {{"qkv", s.quantization.qkv},
              {"o", s.quantization.o},
              {"gate_up", s.quantization.gate_up},
              {"down", s.quantization.down}}},
            {"calibration_tokens", tokens},
            {"flops", work.linear + work.hessian + work.solver},
            {"seconds", (work.linear + work.hessian + work.solver) / rate * kTimesFloor},
            {"peak_rss_bytes",
             work.block_weights * (6 + 2 * lanes) + hessians + activations + kBaseBytes},
            {"output_bytes", output},
            {"free_disk_bytes", disk}};
}

}  // namespace hb
