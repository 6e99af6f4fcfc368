// SPDX-License-Identifier: Apache-2.0
#include "calibration/quantize_model.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include "calibration/channel_energies.hpp"
#include "calibration/dataset.hpp"
#include "calibration/finish.hpp"
#include "calibration/groups.hpp"
#include "calibration/stream.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/memory.hpp"
#include "engine/generate.hpp"

namespace hb {
namespace {

constexpr std::int64_t kSampledSequences = 32, kSampledLength = 512;

Matrix<std::int32_t> rows_from_file(const QuantizeOptions& options, const Checkpoint& checkpoint,
                                    const ModelConfig& config) {
    return cut_rows(read_tokens(options.calibration, checkpoint, config), options.sequences,
                    options.sequence_length);
}

Json describe_calibration(const QuantizeOptions& options, const Matrix<std::int32_t>& tokens,
                          bool sampled) {
    if (sampled)
        return {{"source", "sampled from the model"},
                {"sequences", kSampledSequences},
                {"sequence_length", kSampledLength}};
    if (tokens.empty()) return {{"source", "none"}};
    return {{"source", options.calibration.filename().string()},
            {"sequences", tokens.rows},
            {"sequence_length", tokens.cols},
            {"digest", fmt::format("{:016x}", digest(std::as_bytes(std::span(tokens.values))))}};
}

// From the model as it is, also when it is quantized rotated.
Matrix<std::int32_t> sampled_rows(const QuantizeOptions& options, const WorkFolder& work,
                                  const Kernels& kernels, Threads& threads,
                                  const QuantizeHooks& hooks) {
    if (auto rows = work.sampled_tokens(kSampledSequences, kSampledLength)) return std::move(*rows);
    LoadOptions load;
    load.baseline_precision = Precision::bf16;
    const Decoder decoder = load_decoder(Checkpoint::open(options.model), threads, load);
    auto rows =
        generate_rows(decoder, kernels, threads, kSampledSequences, kSampledLength, options.seed,
                      [&](std::int64_t step) {
                          if (hooks.progress)
                              hooks.progress({step, kSampledLength, "sampling calibration text"});
                      });
    work.keep_sampled_tokens(rows);
    return rows;
}

// GFLOP/s of bf16 products on the model's own shapes, weighted as one pass over a block's linears.
// Taken after every block, as a shared machine's rate is not what it was a minute ago.
double block_gflops(const ModelConfig& config, std::int64_t rows, const Kernels& kernels,
                    Threads& threads) {
    std::map<std::pair<std::int64_t, std::int64_t>, double> rates;
    double flops = 0, seconds = 0;
    for (const LinearName& linear : block_linears()) {
        const auto [out, in] = linear_shape(config, linear.name);
        double& rate = rates[{out, in}];
        if (rate == 0) rate = measured_gflops(kernels, threads, rows, out, in);
        const double work = 2.0 * static_cast<double>(rows * out * in) * 1e-9;
        flops += work;
        seconds += work / rate;
    }
    return flops / seconds;
}

Json summary(const Json& run, const StreamTotals& totals, const Json& layers, double seconds,
             std::vector<double> gflops) {
    Json json = run;
    json["seconds"] = seconds;
    json["solver_seconds"] = totals.solver_seconds;
    json["peak_rss_bytes"] = peak_rss_bytes();
    json["flops"] = totals.linear_flops + totals.hessian_flops + totals.solver_flops;
    json["linear_flops"] = totals.linear_flops;
    json["hessian_flops"] = totals.hessian_flops;
    json["solver_flops"] = totals.solver_flops;
    if (!gflops.empty()) {
        const auto middle = gflops.begin() + static_cast<std::ptrdiff_t>(gflops.size() / 2);
        std::nth_element(gflops.begin(), middle, gflops.end());
        json["gemm_gflops"] = *middle;
        json["times_gemm_floor"] = seconds * *middle * 1e9 / json["flops"].get<double>();
    }
    json["layers"] = layers;
    return json;
}

Checkpoint balanced_for(const Settings& settings, Checkpoint dense, const Kernels& kernels,
                        Threads& threads, View<const std::int32_t> tokens,
                        const QuantizeHooks& hooks) {
    if (!settings.balanced) return dense;
    const auto scales =
        balancing_scales(settings, dense, kernels, threads, tokens, [&](std::int64_t layer) {
            if (hooks.progress)
                hooks.progress({layer, settings.config.layers, "balancing channels"});
        });
    const auto quantized = quantized_weights(settings);
    return balance_channels(std::move(dense), scales,
                            [&](const std::string& name) { return quantized.contains(name); });
}

// The stream's memory is given back when this returns.
Json quantize_blocks(const Settings& settings, const QuantizeOptions& options,
                     const Checkpoint& checkpoint, const WorkFolder& work, const Kernels& kernels,
                     Threads& threads, const Matrix<std::int32_t>& tokens,
                     const QuantizeHooks& hooks, StreamTotals& totals,
                     std::vector<double>& gflops) {
    Stream stream(settings, checkpoint, kernels, threads, tokens.view(), work.folder(),
                  options.activations_on_disk);
    Json layers = Json::array();
    for (std::int64_t layer = 0; layer < settings.config.layers; ++layer) {
        Json report;
        if (work.has_block(layer)) {
            stream.pass_block(layer, work);
            report = work.block_report(layer);
        } else {
            report = stream.quantize_block(layer, work, hooks);
            if (tokens.rows > 0)
                gflops.push_back(block_gflops(settings.config, tokens.cols, kernels, threads));
        }
        for (auto& entry : report) layers.push_back(std::move(entry));
        if (hooks.progress)
            hooks.progress({layer + 1, settings.config.layers, fmt::format("block {}", layer)});
    }
    totals = stream.totals();
    return layers;
}

}  // namespace

Json quantize_model(const QuantizeOptions& options, const QuantizeHooks& hooks) {
    const auto start = std::chrono::steady_clock::now();
    Checkpoint dense = Checkpoint::open(options.model);
    const Settings settings = make_settings(options, dense);
    const Kernels& kernels = pick_kernels();
    Threads threads(options.threads);

    const bool calibrates = settings.needs_calibration(),
               sampled = calibrates && options.calibration.empty();
    Matrix<std::int32_t> tokens;
    if (!options.calibration.empty()) tokens = rows_from_file(options, dense, settings.config);
    if (!calibrates) tokens = {};
    Json run = describe(settings, options, dense);
    run["calibration"] = describe_calibration(options, tokens, sampled);
    const WorkFolder work(options.out, run, options.resume);
    if (work.finished()) {
        Json done = Json::parse(read_file(options.out / "run.json"));
        done["finished"] = true;
        return done;
    }
    if (sampled) tokens = sampled_rows(options, work, kernels, threads, hooks);
    const Checkpoint checkpoint = balanced_for(settings, rotated_for(settings, std::move(dense)),
                                               kernels, threads, tokens.view(), hooks);
    if (!settings.needs_statistics()) tokens = {};
    if (settings.rotation && settings.config.tied && hooks.notice)
        hooks.notice(
            "the embedding and the head are untied: the head takes the weight of the final norm, "
            "both are written");

    if (const auto notice = fused_notice(settings); notice && hooks.notice) hooks.notice(*notice);

    StreamTotals totals;
    std::vector<double> gflops;
    const Json layers = quantize_blocks(settings, options, checkpoint, work, kernels, threads,
                                        tokens, hooks, totals, gflops);
    run["layers"] = Json::array();
    for (Json entry : layers) {
        entry.erase("seconds");
        run["layers"].push_back(std::move(entry));
    }
    write_output(settings, checkpoint, work, run);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return summary(run, totals, layers, seconds, std::move(gflops));
}

}  // namespace hb
