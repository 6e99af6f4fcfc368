// SPDX-License-Identifier: Apache-2.0
// halfbyte run MODEL -p PROMPT: the generated text alone goes to stdout, as soon as it is certain.
// Of several prompts each text is printed when it is whole (run_together.cpp).
#include <fmt/format.h>

#include <chrono>
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

namespace hb {
namespace {

struct Generated {
    std::string text;
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
    generate(decoder, pick_kernels(), threads, prompt, a.count, a.sampling,
             [&](std::int32_t token) {
                 ++result.tokens;
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
             const TokenIds& prompt, Threads& threads) {
    const auto begin = std::chrono::steady_clock::now();
    const Generated result = stream_text(a, decoder, tokenizer, prompt, threads);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double rate = seconds > 0 ? static_cast<double>(result.tokens) / seconds : 0;
    note(fmt::format("{} + {} tokens in {}, {:.1f} tokens/s, ended by {}", prompt.size(),
                     result.tokens, human_seconds(seconds), rate, result.ended));
    write_json(a.json, {{"model", a.model},
                        {"text", result.text},
                        {"prompt_tokens", prompt.size()},
                        {"tokens", result.tokens},
                        {"ended_by", result.ended},
                        {"seconds", seconds},
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

void run_command(const RunArguments& a) {
    const auto texts = a.prompts.empty() ? read_prompts(a.prompt_file) : a.prompts;
    Threads threads(a.threads);
    const auto checkpoint = Checkpoint::open(a.model);
    const Tokenizer tokenizer = load_tokenizer(checkpoint);
    std::vector<TokenIds> prompts;
    for (const std::string& text : texts)
        prompts.push_back(
            tokenizer.encode(a.chat ? render_chat(checkpoint, a.system, text) : text, !a.chat));
    LoadOptions options;
    options.head = find_head_type(a.head);
    const Decoder decoder = load_decoder(checkpoint, threads, options);
    if (prompts.size() == 1 && !a.json_lines) {
        check_ids(a, decoder.config, prompts[0]);
        return run_one(a, decoder, tokenizer, prompts[0], threads);
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
    add_threads(app, a->threads);
    add_json(app, a->json);
    return [a] { run_command(*a); };
}

}  // namespace hb
