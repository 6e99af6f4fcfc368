// SPDX-License-Identifier: Apache-2.0
// halfbyte bench: how fast a model, or random weights in a real model's shapes, reads a prompt (pp)
// and decodes (tg), one sequence and eight together, beside what the machine could do at most,
// measured in the same run: arithmetic for pp, reading memory for tg. --linear times one linear.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "cli/bench_linear.hpp"
#include "cli/bench_result.hpp"
#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/terminal.hpp"
#include "core/error.hpp"
#include "engine/random_model.hpp"
#include "engine/speed.hpp"
#include "kernels/roof.hpp"
#include "model/model_tensors.hpp"
#include "recipes/recipe.hpp"

namespace hb {
namespace {

void check_lengths(const BenchArguments& a, const ModelConfig& c, Precision precision) {
    for (const auto& [option, length] : {std::pair{"-p", a.prompt}, std::pair{"-n", a.count}})
        if (c.context > 0 && length > c.context)
            fail("{} {} is longer than the context of {}, {} tokens", option, length, a.title(),
                 c.context);
    const auto position = static_cast<double>(kv_bytes(c, precision, find_kv_type(a.kv)));
    const double bytes =
        position *
        static_cast<double>(std::max({a.prompt, a.count * a.parallel, a.batch_count() * a.kBatch}));
    const double memory =
        static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::getpagesize());
    if (bytes > memory)
        fail(
            "the keys and values take {}, this machine has {}; choose a smaller -p, -n or "
            "--parallel",
            human_bytes(bytes), human_bytes(memory));
}

// Of weight-only linears.
std::string inputs_of(const BenchArguments& a) {
    return a.activations == "stored" ? "bf16" : a.activations;
}

// Random weights have no stored type: the head takes the scheme's, as in the files of others.
HeadType random_head(const BenchArguments& a, const Scheme& scheme) {
    const HeadType wanted = find_head_type(a.head);
    if (wanted != HeadType::stored) return wanted;
    return scheme.family == Family::mx   ? HeadType::mxfp4
           : scheme.family == Family::nv ? HeadType::nvfp4
                                         : wanted;
}

Subject make_random(const BenchArguments& a, Threads& threads) {
    const Scheme& scheme = find_scheme(a.scheme);
    const Recipe& recipe = find_recipe("mr-gptq");
    const std::string_view rule = recipe.activation_rule(scheme);
    RandomModelOptions options{&scheme, recipe.transform(scheme), nullptr};
    options.head = random_head(a, scheme);
    options.activations = find_activations(a.activations);
    if (!rule.empty()) options.activation_rule = &find_scale_rule(rule, scheme.family);
    const ModelConfig config = config_of(find_random_shape(a.shape));
    check_lengths(a, config, Precision::bf16);
    Subject subject{random_decoder(config, options, threads), std::string(scheme.name),
                    rule.empty() ? inputs_of(a) : std::string(rule)};
    subject.decoder.kv = find_kv_type(a.kv);
    return subject;
}

Subject load(const BenchArguments& a, Threads& threads) {
    const auto checkpoint = Checkpoint::open(a.model);
    const auto quantization = quantization_config_of(checkpoint.config());
    const Precision precision = quantization ? Precision::bf16 : LoadOptions{}.baseline_precision;
    check_lengths(a, model_config(checkpoint), precision);
    LoadOptions options;
    options.head = find_head_type(a.head);
    options.kv = find_kv_type(a.kv);
    options.activations = find_activations(a.activations);
    Subject subject{load_decoder(checkpoint, threads, options), "",
                    precision == Precision::bf16 ? inputs_of(a) : "fp32"};
    if (!quantization) return subject;
    subject.scheme = quantization->schemes();
    std::vector<std::string> rules;
    for (const auto& group : quantization->groups)
        if (group.scheme->quantized_activations) rules.push_back(group.activation_rule);
    if (!rules.empty()) subject.activations = fmt::format("{}", fmt::join(rules, " + "));
    return subject;
}

// once() gives the seconds that it took.
std::vector<double> repeat(std::int64_t times, ProgressBar& bar, const std::string& test,
                           const std::function<double()>& once) {
    std::vector<double> seconds;
    for (std::int64_t i = 1; i <= times; ++i) {
        seconds.push_back(once());
        bar.update(i, 0, fmt::format("{} {}/{}", test, i, times));
    }
    return seconds;
}

// The first pass, which touches everything once, does not count.
Measured measure_prompt(const BenchArguments& a, const TimedRun& run, ProgressBar& bar) {
    Scratch scratch;
    const std::string test = fmt::format("pp{}", a.prompt);
    const auto once = [&] { return time_prompt(run, a.prompt, scratch); };
    once();
    return measured(test, repeat(a.repeat, bar, test, once), static_cast<double>(a.prompt),
                    prompt_flops(run.decoder.config, a.prompt),
                    static_cast<double>(weight_bytes(run.decoder)));
}

// A step reads the weights once for all sequences.
Measured measure_decoding(const BenchArguments& a, const TimedRun& run, std::int64_t count,
                          std::int64_t parallel, ProgressBar& bar) {
    Scratch scratch;
    std::string test = fmt::format("tg{}", count);
    if (parallel > 1) test += fmt::format(" x{}", parallel);
    time_decode(run, std::min<std::int64_t>(count, 2), parallel, scratch);
    const auto once = [&] { return time_decode(run, count, parallel, scratch); };
    return measured(test, repeat(a.repeat, bar, test, once), static_cast<double>(count * parallel),
                    decode_flops(run.decoder.config, count, parallel),
                    static_cast<double>(weight_bytes(run.decoder) * count));
}

void bench_command(const BenchArguments& a) {
    const Kernels& kernels = a.kernels.empty() ? pick_kernels() : find_kernels(a.kernels);
    Threads threads(a.threads);
    BenchResults results;
    Subject subject;
    {
        ProgressBar bar("bench");
        subject = a.random() ? make_random(a, threads) : load(a, threads);
        const TimedRun run{subject.decoder, kernels, threads};
        results = {measure_prompt(a, run, bar), measure_decoding(a, run, a.count, a.parallel, bar),
                   measure_decoding(a, run, a.batch_count(), a.kBatch, bar)};
        results.pp.roof = roof_gflops(kernels, threads);
        results.tg.roof = results.batch.roof = roof_gigabytes_per_second(threads);
    }
    results.pp.percent = 100 * results.pp.gflops / results.pp.roof;
    for (Measured* decoding : {&results.tg, &results.batch})
        decoding->percent = 100 * decoding->gigabytes / decoding->roof;
    print(bench_table(a, subject, name_of(kernels), results));
    note(describe_weights(subject));
    write_json(a.json, bench_json(a, subject, name_of(kernels), results));
}

void add_count(CLI::App& app, const std::string& name, std::int64_t& value, double most,
               const std::string& help) {
    app.add_option(name, value, help)->check(between(1, most))->capture_default_str();
}

std::string shape_names() {
    std::string names;
    for (const RandomShape& shape : all_random_shapes())
        names += (names.empty() ? "" : ", ") + std::string(shape.name);
    return names;
}

}  // namespace

Action define_bench(CLI::App& app) {
    const auto a = std::make_shared<BenchArguments>();
    auto* subject = app.add_option_group("subject", "what to measure; one of");
    auto* model = subject->add_option("MODEL", a->model, kModelHelp)->type_name("");
    auto* random = subject->add_option("--random", a->shape,
                                       "random weights in the shapes of " + shape_names());
    auto* linear = subject->add_option("--linear", a->linear,
                                       "one linear of random weights: 8192x2048 (2048 inputs)");
    subject->require_option(1);
    auto* scheme = app.add_option("--scheme", a->scheme,
                                  "of random weights: every linear, with the rules of mr-gptq")
                       ->type_name("NAME")
                       ->excludes(model);
    random->type_name("SHAPE")->needs(scheme);
    linear->type_name("OUTxIN")->needs(scheme);
    add_count(app, "-p,--prompt", a->prompt, 1 << 20,
              "tokens of the prompt, read at once (pp); rows of --linear");
    add_count(app, "-n,--count", a->count, 1 << 20, "tokens to decode one after another (tg)");
    add_count(app, "--parallel", a->parallel, 1024, "sequences that are decoded together");
    add_count(app, "--repeat", a->repeat, 1000, "times; the median counts");
    app.add_option("--kernels", a->kernels, "amx, avx512vnni, avx2 or ref; default: the best")
        ->type_name("NAME");
    add_head(app, a->head);
    add_kv(app, a->kv);
    add_activations(app, a->activations);
    add_threads(app, a->threads);
    add_json(app, a->json);
    for (const char* of_models : {"-n", "--parallel", "--head", "--kv", "--activations"})
        linear->excludes(app.get_option(of_models));
    return [a] { a->linear.empty() ? bench_command(*a) : bench_linear(*a); };
}

}  // namespace hb
