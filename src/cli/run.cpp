// SPDX-License-Identifier: Apache-2.0
// halfbyte run MODEL -p PROMPT: the generated text alone goes to stdout, as soon as it is certain.
// Of several prompts each text is printed when it is whole (run_together.cpp).
#include <fmt/format.h>
#include <malloc.h>

#include <chrono>
#include <future>
#include <memory>

#include "calibration/dataset.hpp"
#include "cli/chat.hpp"
#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/prompts.hpp"
#include "cli/run.hpp"
#include "cli/terminal.hpp"
#include "cli/text_stream.hpp"
#include "core/error.hpp"
#include "core/memory.hpp"
#include "engine/speed.hpp"

namespace hb {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Generated {
    std::string text;
    double first_token = 0;  // seconds
    std::int64_t tokens = 0;
    std::string ended = "end token or context limit";
};

Generated stream_text(const RunArguments& a, const Decoder& decoder, const Tokenizer& tokenizer,
                      const std::vector<std::int32_t>& prompt, Threads& threads) {
    TextStream stream(a.stops);
    Generated result;
    const auto show = [&](const std::string& text) {
        result.text += text;
        print(text);
    };
    const auto begin = Clock::now();
    generate(decoder, pick_kernels(), threads, prompt, a.count, a.sampling,
             [&](std::int32_t token) {
                 if (++result.tokens == 1) result.first_token = since(begin);
                 if (!tokenizer.is_special(token)) show(stream.feed(tokenizer.token_bytes(token)));
                 return !stream.stopped();
             });
    if (stream.stopped())
        result.ended = "stop string";
    else if (result.tokens == a.count)
        result.ended = "-n";
    show(stream.finish());
    if (stdout_is_terminal()) print("\n");
    return result;
}

void run_one(const RunArguments& a, const Decoder& decoder, const Tokenizer& tokenizer,
             const TokenIds& prompt, double load_seconds, Threads& threads) {
    const auto begin = Clock::now();
    const Generated result = stream_text(a, decoder, tokenizer, prompt, threads);
    const double seconds = since(begin);
    const double rate = seconds > 0 ? static_cast<double>(result.tokens) / seconds : 0;
    note(fmt::format("{} + {} tokens in {}, {:.1f} tokens/s, ended by {}", prompt.size(),
                     result.tokens, human_seconds(seconds), rate, result.ended));
    write_json(a.json, {{"model", a.model},
                        {"head", a.head},
                        {"kv", a.kv},
                        {"activations", a.activations},
                        {"text", result.text},
                        {"prompt_tokens", prompt.size()},
                        {"tokens", result.tokens},
                        {"ended_by", result.ended},
                        {"load_seconds", load_seconds},
                        {"first_token_seconds", result.first_token},
                        {"seconds", seconds},
                        {"peak_rss_bytes", peak_rss_bytes()},
                        {"weight_bytes", weight_bytes(decoder)},
                        {"tokens_per_second", rate},
                        {"kernels", name_of(pick_kernels())},
                        {"threads", a.threads},
                        {"version", HALFBYTE_VERSION}});
}

void check_ids(const RunArguments& a, const ModelConfig& config, const TokenIds& prompt) {
    for (const std::int32_t id : prompt)
        if (id >= config.vocab)
            fail("{}: the tokenizer gives id {}, but the model has a vocabulary of {}", a.model, id,
                 config.vocab);
}

// Names the one that cannot be run before any text is made.
void check_all(const RunArguments& a, const ModelConfig& config,
               const std::vector<TokenIds>& prompts) {
    for (std::size_t i = 0; i < prompts.size(); ++i) {
        check_ids(a, config, prompts[i]);
        try {
            check_prompt(config, prompts[i]);
        } catch (const Error& e) {
            fail("prompt {}: {}", i, e.what());
        }
    }
}

// A vocabulary takes about half as long to read as the weights of a 1B model, and uses one thread.
// Its JSON tree is tens of MB that the weights need not find in memory.
std::future<Tokenizer> begin_tokenizer(const Checkpoint& checkpoint, int threads) {
    return std::async(threads > 1 ? std::launch::async : std::launch::deferred, [&checkpoint] {
        Tokenizer tokenizer = load_tokenizer(checkpoint);
        ::malloc_trim(0);
        return tokenizer;
    });
}

void run_command(const RunArguments& a) {
    const auto begin = Clock::now();
    auto texts = a.prompts.empty() ? read_prompts(a.prompt_file) : a.prompts;
    LoadOptions options;
    options.head = find_head_type(a.head);
    options.kv = find_kv_type(a.kv);
    options.activations = find_activations(a.activations);
    Threads threads(a.threads);
    const auto checkpoint = Checkpoint::open(a.model);
    if (a.chat)
        for (std::string& text : texts) text = render_chat(checkpoint, a.system, text);
    auto pending = begin_tokenizer(checkpoint, a.threads);
    const Decoder decoder = load_decoder(checkpoint, threads, options);
    const Tokenizer tokenizer = pending.get();
    std::vector<TokenIds> prompts;
    for (const std::string& text : texts) prompts.push_back(tokenizer.encode(text, !a.chat));
    if (prompts.size() == 1 && !a.json_lines) {
        check_ids(a, decoder.config, prompts[0]);
        return run_one(a, decoder, tokenizer, prompts[0], since(begin), threads);
    }
    check_all(a, decoder.config, prompts);
    run_together(a, decoder, tokenizer, std::move(prompts), threads);
}

void add_prompts(CLI::App& app, RunArguments& a) {
    auto* prompts = app.add_option_group("prompts", "what to go on from; one of");
    add_repeated(*prompts, "-p,--prompt", a.prompts, "a prompt; with --chat, the user's message");
    prompts
        ->add_option("--prompts", a.prompt_file,
                     "a file of prompts: one a line, or .jsonl with \"prompt\"")
        ->type_name("FILE");
    prompts->require_option(1);
    app.add_option("--parallel", a.parallel,
                   "of several prompts, how many are decoded together; results do not depend on it")
        ->check(between(1, 1024))
        ->capture_default_str();
    app.add_flag("--json-lines", a.json_lines,
                 "print each text as a line of JSON: index, text, tokens, reason");
}

}  // namespace

Action define_run(CLI::App& app) {
    const auto a = std::make_shared<RunArguments>();
    add_model(app, a->model);
    add_prompts(app, *a);
    app.add_option("-n,--count", a->count, "tokens to generate at most")
        ->check(between(1, 1 << 24))
        ->capture_default_str();
    app.add_flag("--chat", a->chat, "put each prompt into the model's chat template");
    app.add_option("--system", a->system, "system message of --chat");
    app.add_option("--temperature", a->sampling.temperature, "0 takes the likeliest token")
        ->check(between(0.0, 100.0))
        ->capture_default_str();
    app.add_option("--top-p", a->sampling.top_p,
                   "draw from the likeliest tokens of this total probability")
        ->check(between(0.0, 1.0))
        ->capture_default_str();
    app.add_option("--top-k", a->sampling.top_k, "draw from the k likeliest tokens; 0: from all")
        ->check(between(0, 1 << 24))
        ->capture_default_str();
    app.add_option("--seed", a->sampling.seed, "of the draws; prompt i has the seed + i")
        ->capture_default_str();
    add_repeated(app, "--stop", a->stops, "end before this text, which is not printed");
    add_head(app, a->head);
    add_kv(app, a->kv);
    add_activations(app, a->activations);
    add_threads(app, a->threads);
    add_json(app, a->json);
    return [a] { run_command(*a); };
}

}  // namespace hb
