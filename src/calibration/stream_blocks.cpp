// SPDX-License-Identifier: Apache-2.0
// A block of the stream from its first site to its last: statistics, solution, the next site.
#include <algorithm>
#include <chrono>

#include "calibration/stream.hpp"
#include "core/error.hpp"
#include "quantizers/target.hpp"

namespace hb {
namespace {

constexpr int kDescentRounds = 4;

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// diag(H) as weights of the scale search, floored so that a group of dead columns still has an
// order.
std::vector<float> column_weights(View<const float> h) {
    std::vector<float> d(static_cast<std::size_t>(h.rows));
    double sum = 0;
    for (std::int64_t i = 0; i < h.rows; ++i) sum += d[static_cast<std::size_t>(i)] = h(i, i);
    const auto mean =
        static_cast<float>(sum / static_cast<double>(std::max<std::int64_t>(1, h.rows)));
    for (float& x : d) x = mean > 0 ? std::max(x / mean, 1e-6f) : 1.0f;
    return d;
}

Json report_of(const std::string& module, const LinearReport& r) {
    return {{"name", module},
            {"weight_mse", r.weight_mse},
            {"output_error", r.output_error},
            {"damping", r.damping},
            {"failed_dampings", r.failed_dampings},
            {"dead_columns", r.dead_columns},
            {"seconds", r.seconds},
            {"flops", r.flops}};
}

}  // namespace

Json quantized_config(Json config, const QuantizationConfig& quantization) {
    config["quantization_config"] = to_json(quantization);
    return config;
}

Json Stream::solve(Block& block, std::int64_t layer, int site, const SiteStatistics& statistics,
                   std::vector<TensorToWrite>& tensors, const QuantizeHooks& hooks) {
    Site& input = block.sites[static_cast<std::size_t>(site)];
    const Method* method = settings_.method_at(layer, site);
    if (method && method->activation_rule)
        input.quantizer = ActivationQuantizer{method->scheme, method->activation_rule,
                                              method->activation_rule->divisor(statistics.largest)};
    std::vector<std::size_t> chosen;
    std::vector<Matrix<float>> weights;
    for (std::size_t i = 0; i < 7; ++i) {
        const LinearName& linear = block_linears()[i];
        if (linear.site != site) continue;
        if (!settings_.quantizes(layer, linear.name)) {
            block.linears[i] = load_dense(checkpoint_, settings_.config, layer, i, *run_.threads);
            continue;
        }
        const std::string name = module_name(layer, linear.name) + ".weight";
        const LinearShape shape = linear_shape(settings_.config, linear.name);
        weights.push_back(checkpoint_.read(name, shape.out, shape.in));
        checkpoint_.drop(name);
        const View<float> w = weights.back().view();
        run_.threads->loop(
            w.rows, [&](std::int64_t r, int) { apply(input.transform, w.middle_rows(r, 1)); });
        chosen.push_back(i);
    }
    if (!method) return Json::array();

    const auto start = std::chrono::steady_clock::now();
    SiteProblem problem;
    problem.scheme = method->scheme;
    problem.options = settings_.solver;
    if (settings_.steps.scales && !method->scheme->by_row())
        problem.options.group_rule = method->weight_rule;
    if (settings_.steps.descent) problem.options.descent_rounds = kDescentRounds;
    problem.hessian = statistics.hessian.view();
    const auto h =
        statistics.hessian.empty() ? std::vector<float>{} : column_weights(problem.hessian);
    std::vector<LinearResult> results;
    try {
        for (auto& w : weights) {
            if (!statistics.shift.empty())
                w = shifted_target(w.view(), problem.hessian, statistics.shift.view(),
                                   problem.options.damping, *run_.threads);
            problem.weights.push_back(w.view());
        }
        problem.scales =
            choose_scales(problem.weights, h, *method->scheme, *method->weight_rule, *run_.threads);
        results = settings_.quantizer->run(problem, *run_.threads);
    } catch (const Error& error) {
        fail("{}: {}: {}", checkpoint_.path().string(),
             module_name(layer, block_linears()[chosen[0]].name), error.what());
    }
    totals_.solver_seconds += seconds_since(start);

    Json report = Json::array();
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        const std::string module = module_name(layer, block_linears()[chosen[i]].name);
        const LinearReport& r = results[i].report;
        report.push_back(report_of(module, r));
        totals_.solver_flops += r.flops;
        if (!r.failed_dampings.empty() && hooks.notice)
            hooks.notice(fmt::format("{}: damping {} was too small {} time(s); used {}", module,
                                     r.failed_dampings.front(), r.failed_dampings.size(),
                                     r.damping));
        const auto kept = std::make_shared<QTensor>(std::move(results[i].weight));
        for (auto& tensor :
             tensors_of(module, *kept, input.quantizer ? input.quantizer->divisor : 0)) {
            tensor.load = [kept, load = std::move(tensor.load)] { return load(); };
            tensors.push_back(std::move(tensor));
        }
        block.linears[chosen[i]] = make_linear(*kept, load_bias(checkpoint_, module, kept->rows),
                                               input.quantizer ? &*input.quantizer : nullptr,
                                               storage_for_many_rows(*run_.kernels), *run_.threads);
    }
    return report;
}

// Decides what is kept of a block whose gate and up are solved. MX has no scale that waits for
// statistics.
void Stream::keep_until_left(Block& block, std::int64_t layer) {
    if (settings_.keeps_hidden(layer)) {
        const auto& [scheme, weights, rule] = *settings_.method_at(layer, 3);
        block.sites[3].quantizer = ActivationQuantizer{scheme, rule, rule->divisor(1)};
        lane_.keep(Lane::Kept::x3);
    } else {  // x2 is kept without scales of its rows
        const Method* method = settings_.method_at(layer, 2);
        const bool alone = method && method->activation_rule && method->activation_rule->row_scale;
        const bool whole = !alone && block.linears[kGate].quantized && block.linears[kUp].quantized;
        lane_.keep(whole ? Lane::Kept::x2 : Lane::Kept::nothing);
    }
    if (reference_) reference_->keep(Lane::Kept::x2);
}

Block Stream::dense_block(std::int64_t layer) const {
    Block block = load_block_frame(checkpoint_, settings_.config, layer);
    for (std::size_t site = 0; site < 4; ++site)
        block.sites[site].transform = settings_.transforms[site];
    for (std::size_t i = 0; i < 7; ++i)
        block.linears[i] = load_dense(checkpoint_, settings_.config, layer, i, *run_.threads);
    return block;
}

void Stream::leave(Block block, std::optional<Block> dense) {
    lane_.leave(std::move(block));
    if (reference_) reference_->leave(std::move(*dense));
}

Json Stream::quantize_block(std::int64_t layer, const WorkFolder& work,
                            const QuantizeHooks& hooks) {
    Block block = load_block_frame(checkpoint_, settings_.config, layer);
    for (std::size_t site = 0; site < 4; ++site)
        block.sites[site].transform = settings_.transforms[site];
    std::optional<Block> dense;
    if (reference_) dense = dense_block(layer);
    std::vector<TensorToWrite> tensors;
    Json report = Json::array();
    for (int site = 0; site < 4; ++site) {
        if (hooks.progress)
            hooks.progress({layer, settings_.config.layers,
                            fmt::format("block {}: {}", layer, kSiteNames[site])});
        if (site == 3) keep_until_left(block, layer);
        const SiteStatistics statistics = collect(block, dense ? &*dense : nullptr, site);
        for (auto& entry : solve(block, layer, site, statistics, tensors, hooks))
            report.push_back(std::move(entry));
    }
    work.finish_block(layer, quantized_config(checkpoint_.config(), settings_.quantization),
                      std::move(tensors), report);
    leave(std::move(block), std::move(dense));
    return report;
}

void Stream::pass_block(std::int64_t layer, const WorkFolder& work) {
    if (lane_.tokens().rows == 0) return;
    lane_.leave_behind();
    if (reference_) reference_->leave_behind();
    Block block = load_block_frame(checkpoint_, settings_.config, layer);
    const Checkpoint done = Checkpoint::open(work.block_folder(layer).string());
    load_linears(checkpoint_, done, settings_.quantization, settings_.config, layer,
                 storage_for_many_rows(*run_.kernels), block, *run_.threads);
    std::optional<Block> dense;
    if (reference_) dense = dense_block(layer);
    for (const int site : {1, 2}) {
        lane_.pass_site(block, site);
        if (reference_) reference_->pass_site(*dense, site);
    }
    lane_.keep(Lane::Kept::nothing);
    if (reference_) reference_->keep(Lane::Kept::nothing);
    leave(std::move(block), std::move(dense));
}

}  // namespace hb
