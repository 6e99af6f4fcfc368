// SPDX-License-Identifier: Apache-2.0
// halfbyte quantize MODEL OUT: all options map one to one onto QuantizeOptions.
#include <fmt/format.h>

#include <memory>

#include "calibration/quantize_model.hpp"
#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/terminal.hpp"
#include "report/table.hpp"

namespace hb {
namespace {

struct QuantizeArguments {
    QuantizeOptions options;
    std::string activations = "memory";
    std::filesystem::path json;
    bool dry_run = false;
};

double number(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number() ? found->get<double>() : 0.0;
}

std::string schemes_and_recipe(const QuantizeOptions& options) {
    std::string text = options.scheme;
    for (const auto& one : options.scheme_for) text += " + " + one;
    return text + ", " + options.recipe;
}

void print_plan(const Json& plan, const QuantizeOptions& options) {
    Table table;
    const auto add = [&](const char* what, std::string value) {
        table.rows.push_back({what, std::move(value)});
    };
    add("would quantize", options.model + " -> " + options.out.string());
    add("scheme, recipe", schemes_and_recipe(options));
    if (const auto layers = plan.find("layers"); layers != plan.end())
        add("linear layers", layers->dump());
    add("predicted time", human_seconds(number(plan, "seconds")));
    add("predicted memory", human_bytes(number(plan, "peak_rss_bytes")));
    add("predicted size", human_bytes(number(plan, "output_bytes")));
    print(plain_text(table));
}

void print_result(const Json& result, const QuantizeOptions& options) {
    if (result.contains("finished")) return print(options.out.string() + " is finished already\n");
    double mse = 0, error = 0, count = 0;
    const auto layers = result.find("layers");
    if (layers != result.end() && layers->is_array()) {
        for (const Json& layer : *layers) {
            mse += number(layer, "weight_mse");
            error += number(layer, "output_error");
            count += 1;
        }
    }
    Table table;
    table.rows.push_back({"wrote", options.out.string()});
    table.rows.push_back({"scheme, recipe", schemes_and_recipe(options)});
    if (number(result, "bits_per_weight") > 0)
        table.rows.push_back(
            {"bits of a weight", fmt::format("{:.4g}", number(result, "bits_per_weight"))});
    if (count > 0) table.rows.push_back({"mean weight error", fmt::format("{:.5f}", mse / count)});
    if (error > 0)
        table.rows.push_back({"mean output error", fmt::format("{:.5f}", error / count)});
    table.rows.push_back({"time", human_seconds(number(result, "seconds"))});
    table.rows.push_back({"peak memory", human_bytes(number(result, "peak_rss_bytes"))});
    print(plain_text(table));
}

void quantize_command(QuantizeArguments arguments) {
    QuantizeOptions& options = arguments.options;
    options.activations_on_disk = arguments.activations == "disk";
    if (arguments.dry_run) {
        const Json plan = plan_quantization(options);
        print_plan(plan, options);
        return write_json(arguments.json, plan);
    }
    Json result;
    {
        ProgressBar bar("quantize");
        result = quantize_model(
            options,
            {
                .progress = [&](const Progress& p) { bar.update(p.done, p.total, p.stage); },
                .notice = [&](const std::string& line) { bar.notice(line); },
            });
    }
    print_result(result, options);
    write_json(arguments.json, result);
}

}  // namespace

Action define_quantize(CLI::App& app) {
    const auto a = std::make_shared<QuantizeArguments>();
    QuantizeOptions& o = a->options;
    add_model(app, o.model);
    app.add_option("OUT", o.out, "the folder to write; must be empty or absent unless --resume")
        ->required()
        ->type_name("");
    app.add_option("--scheme", o.scheme, "see halfbyte list schemes")
        ->type_name("NAME")
        ->capture_default_str();
    add_repeated(app, "--scheme-for", o.scheme_for,
                 "TARGET=SCHEME: another scheme for a module, or for re:PATTERN, with the recipe's "
                 "scale rules for it");
    app.add_option("--recipe", o.recipe, "see halfbyte list recipes")
        ->type_name("NAME")
        ->capture_default_str();
    app.add_option("--transform", o.transform, "KIND:BLOCK, auto or none")->type_name("NAME");
    app.add_option("--rotation", o.rotation,
                   "where the transform is applied: online (all four sites, while the model runs), "
                   "offline (all but down's input, folded into the weights: any client runs it) or "
                   "offline+down (down's input online)")
        ->type_name("WHERE")
        ->capture_default_str();
    app.add_option(
           "--channels", o.channels,
           "balanced: scale channels so that inputs and weights round alike, folded into "
           "norms and weights (any client runs it); plain: leave them; default: the recipe's")
        ->type_name("HOW");
    app.add_option(
           "--steps", o.steps,
           "what is added to gptq, none or some of reference,scales,descent: outputs of the "
           "model before any quantization as targets, each group's scale when the solver "
           "reaches it, coordinate descent at the end; default: the recipe's")
        ->type_name("NAME,...");
    app.add_option("--damping", o.damping,
                   "added to the Hessian's diagonal, of its mean; default: 0.01");
    app.add_option("--weight-scales", o.weight_rule, "see halfbyte list scale-rules")
        ->type_name("RULE");
    app.add_option("--activation-scales", o.activation_rule, "see halfbyte list scale-rules")
        ->type_name("RULE");
    app.add_option(
           "--calibration", o.calibration,
           ".txt, .jsonl (field text) or .i32; default: 32 x 512 tokens sampled from the model")
        ->type_name("FILE");
    app.add_option("--sequences", o.sequences, "rows of calibration tokens")
        ->check(between(1, 1 << 24))
        ->capture_default_str();
    app.add_option("--sequence-length", o.sequence_length, "tokens in a row")
        ->check(between(2, 1 << 24))
        ->capture_default_str();
    add_repeated(app, "--ignore", o.ignore, "a module, or re:PATTERN, to leave in 16 bits");
    app.add_option("--seed", o.seed, "of sampled calibration text and randomized transforms")
        ->capture_default_str();
    add_threads(app, o.threads);
    app.add_flag("--resume", o.resume,
                 "go on where an interrupted run with the same options stopped");
    app.add_option("--activations", a->activations,
                   "where calibration activations live: memory or disk")
        ->check(CLI::IsMember({"memory", "disk"}))
        ->type_name("")
        ->capture_default_str();
    app.add_flag("--dry-run", a->dry_run, "check everything and predict time, memory and size");
    add_json(app, a->json);
    return [a] { quantize_command(*a); };
}

}  // namespace hb
