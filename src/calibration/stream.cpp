// SPDX-License-Identifier: Apache-2.0
#include "calibration/stream.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <limits>

#include "core/error.hpp"
#include "core/float_bits.hpp"

namespace hb {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

float largest_bf16(Threads& threads, std::span<const std::uint16_t> values) {
    constexpr std::size_t kPart = 1 << 16;
    std::vector<std::uint16_t> largest((values.size() + kPart - 1) / kPart);
    threads.loop(static_cast<std::int64_t>(largest.size()), [&](std::int64_t i, int) {
        const auto part = values.subspan(static_cast<std::size_t>(i) * kPart);
        std::uint16_t most = 0;
        for (const auto v : part.first(std::min(kPart, part.size())))
            most = std::max(most, static_cast<std::uint16_t>(v & 0x7fff));
        largest[static_cast<std::size_t>(i)] = most;
    });
    return bf16_to_float(*std::max_element(largest.begin(), largest.end()));
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

Stream::Stream(const Settings& settings, const Checkpoint& checkpoint, const Kernels& kernels,
               Threads& threads, View<const std::int32_t> tokens,
               const std::filesystem::path& spill, bool on_disk)
    : settings_(settings),
      checkpoint_(checkpoint),
      run_(make_runtime(settings.config, kernels, threads, Precision::bf16)),
      tokens_(tokens),
      store_(tokens.rows, tokens.cols, settings.config.hidden,
             on_disk ? 0 : std::numeric_limits<std::int64_t>::max(), spill),
      attended_(tokens.rows, tokens.cols, settings.config.heads * settings.config.head_dim,
                on_disk ? 0 : kAttendedBytes, spill),
      h_(tokens.cols, settings.config.hidden) {
    if (tokens.rows == 0) return;
    cache_ = KvCache(settings.config.kv_heads, settings.config.head_dim,
                     (tokens.cols + 31) / 32 * 32, Precision::bf16);
    pass_ = make_pass(run_, {{0, tokens.cols, 0, &cache_}});
    const Embedding embedding = load_embedding(checkpoint, settings.config);
    for (std::int64_t s = 0; s < tokens.rows; ++s) {
        embedding.look_up({tokens.row(s), static_cast<std::size_t>(tokens.cols)}, h_.view());
        store_.save(*run_.threads, s, h_.view());
    }
}

void Stream::for_each_sequence(const std::function<void(std::int64_t, View<float>)>& body) {
    for (std::int64_t s = 0; s < tokens_.rows; ++s) {
        store_.load(*run_.threads, s, h_.view());
        cache_.length = 0;
        body(s, h_.view());
    }
}

void Stream::count_linears(int site, std::int64_t rows) {
    for (const LinearName& linear : block_linears()) {
        if (linear.site != site) continue;
        const LinearShape shape = linear_shape(settings_.config, linear.name);
        totals_.linear_flops += 2.0 * static_cast<double>(rows * shape.out * shape.in);
    }
}

// Observes the site's input of every sequence, in order. At site 1 attention is computed, for site
// 2, where the stream moves past it.
void Stream::visit_site(const Block& block, int site, const std::function<void()>& observe) {
    for_each_sequence([&](std::int64_t s, View<float> h) {
        if (site == 1) {
            attend(run_, block, h, pass_, scratch_, scratch_.attended);
            count_linears(0, h.rows);
            attended_.save(*run_.threads, s, scratch_.attended.view());
        }
        if (site == 2) {
            attended_.load(*run_.threads, s, scratch_.attended.view());
            add_attention(run_, block, scratch_.attended.view(), scratch_, h);
            count_linears(1, h.rows);
            store_.save(*run_.threads, s, h);
        }
        if (!observe) return;
        observe_site(run_, block, site, site == 1 ? scratch_.attended.view() : h, scratch_,
                     observed_);
        if (site == 3) count_linears(2, h.rows);
        observe();
    });
}

void Stream::leave_block(const Block& block) {
    for_each_sequence([&](std::int64_t s, View<float> h) {
        add_mlp(run_, block, scratch_, h);
        count_linears(2, h.rows);
        count_linears(3, h.rows);
        store_.save(*run_.threads, s, h);
    });
}

void Stream::take_in(Statistics& statistics) {
    statistics.largest =
        std::max(statistics.largest, largest_bf16(*run_.threads, observed_.narrow));
    if (statistics.hessian.empty()) return;
    accumulate_gram(*run_.kernels, *run_.threads, observed_, gram_, statistics.hessian.view());
    const auto k = static_cast<double>(observed_.k);
    totals_.hessian_flops += 2.0 * static_cast<double>(observed_.rows) * k * k;
}

Stream::Statistics Stream::collect(const Block& block, int site) {
    Statistics statistics;
    std::int64_t in = 0;
    for (const LinearName& linear : block_linears())
        if (linear.site == site) in = linear_shape(settings_.config, linear.name).in;
    if (settings_.quantizer->needs_hessian) statistics.hessian = Matrix<float>(in, in);
    // Without statistics to gather the stream must still move past attention at site 2.
    if (tokens_.rows > 0) visit_site(block, site, [&] { take_in(statistics); });
    if (!statistics.hessian.empty()) mirror_upper(statistics.hessian.view());
    return statistics;
}

Json Stream::solve(Block& block, std::int64_t layer, int site, const Statistics& statistics,
                   std::vector<TensorToWrite>& tensors, const QuantizeHooks& hooks) {
    Site& input = block.sites[static_cast<std::size_t>(site)];
    if (settings_.activation_rule)
        input.quantizer =
            ActivationQuantizer{settings_.scheme, settings_.activation_rule,
                                settings_.activation_rule->divisor(statistics.largest)};
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
    if (chosen.empty()) return Json::array();

    const auto start = std::chrono::steady_clock::now();
    SiteProblem problem;
    problem.scheme = settings_.scheme;
    problem.options = settings_.solver;
    problem.hessian = statistics.hessian.view();
    for (const auto& w : weights) problem.weights.push_back(w.view());
    const auto h =
        statistics.hessian.empty() ? std::vector<float>{} : column_weights(problem.hessian);
    std::vector<LinearResult> results;
    try {
        problem.scales = choose_scales(problem.weights, h, *settings_.scheme,
                                       *settings_.weight_rule, *run_.threads);
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
                                               WeightStorage::tiles, *run_.threads);
    }
    return report;
}

Json Stream::quantize_block(std::int64_t layer, const WorkFolder& work,
                            const QuantizeHooks& hooks) {
    Block block = load_block_frame(checkpoint_, settings_.config, layer);
    for (std::size_t site = 0; site < 4; ++site)
        block.sites[site].transform = settings_.transforms[site];
    std::vector<TensorToWrite> tensors;
    Json report = Json::array();
    for (int site = 0; site < 4; ++site) {
        if (hooks.progress)
            hooks.progress({layer, settings_.config.layers,
                            fmt::format("block {}: {}", layer, kSiteNames[site])});
        const Statistics statistics = collect(block, site);
        for (auto& entry : solve(block, layer, site, statistics, tensors, hooks))
            report.push_back(std::move(entry));
    }
    if (tokens_.rows > 0 && layer + 1 < settings_.config.layers) leave_block(block);
    work.finish_block(layer, quantized_config(checkpoint_.config(), settings_.quantization),
                      std::move(tensors), report);
    return report;
}

void Stream::pass_block(std::int64_t layer, const WorkFolder& work) {
    if (tokens_.rows == 0) return;
    Block block = load_block_frame(checkpoint_, settings_.config, layer);
    const Checkpoint done = Checkpoint::open(work.block_folder(layer).string());
    load_linears(checkpoint_, done, settings_.quantization, settings_.config, layer,
                 WeightStorage::tiles, block, *run_.threads);
    visit_site(block, 1, {});
    visit_site(block, 2, {});
    leave_block(block);
}

}  // namespace hb
