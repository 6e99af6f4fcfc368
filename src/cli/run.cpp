// SPDX-License-Identifier: Apache-2.0
// halfbyte run MODEL -p PROMPT: the generated text alone goes to stdout, as soon as it is certain.
#include <fmt/format.h>

#include <chrono>
#include <memory>

#include "calibration/dataset.hpp"
#include "cli/chat.hpp"
#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/terminal.hpp"
#include "cli/text_stream.hpp"
#include "core/error.hpp"
#include "engine/generate.hpp"

namespace hb {
namespace {

struct RunArguments {
    std::string model, prompt, system, head;
    std::int64_t count = 128;
    bool chat = false;
    Sampling sampling;
    std::vector<std::string> stops;
    int threads = 1;
    std::filesystem::path json;
};

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

void run_command(const RunArguments& a) {
    Threads threads(a.threads);
    const auto checkpoint = Checkpoint::open(a.model);
    const Tokenizer tokenizer = load_tokenizer(checkpoint);
    const std::string text = a.chat ? render_chat(checkpoint, a.system, a.prompt) : a.prompt;
    const auto prompt = tokenizer.encode(text, !a.chat);
    LoadOptions options;
    options.head = find_head_type(a.head);
    const Decoder decoder = load_decoder(checkpoint, threads, options);
    for (const std::int32_t id : prompt)
        if (id >= decoder.config.vocab)
            fail("{}: the tokenizer gives id {}, but the model has a vocabulary of {}", a.model, id,
                 decoder.config.vocab);
    const auto begin = std::chrono::steady_clock::now();
    const Generated result = stream_text(a, decoder, tokenizer, prompt, threads);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double rate = seconds > 0 ? static_cast<double>(result.tokens) / seconds : 0;
    note(fmt::format("{} + {} tokens in {}, {:.1f} tokens/s, ended by {}", prompt.size(),
                     result.tokens, human_seconds(seconds), rate, result.ended));
    write_json(a.json, {{"model", a.model},
                        {"head", a.head},
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

}  // namespace

Action define_run(CLI::App& app) {
    const auto a = std::make_shared<RunArguments>();
    add_model(app, a->model);
    app.add_option("-p,--prompt", a->prompt, "the prompt; with --chat, the user's message")
        ->required()
        ->type_name("TEXT");
    app.add_option("-n,--count", a->count, "tokens to generate at most")
        ->check(between(1, 1 << 24))
        ->capture_default_str();
    app.add_flag("--chat", a->chat, "put the prompt into the model's chat template");
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
    app.add_option("--seed", a->sampling.seed, "of the draws")->capture_default_str();
    add_repeated(app, "--stop", a->stops, "end before this text, which is not printed");
    add_head(app, a->head);
    add_threads(app, a->threads);
    add_json(app, a->json);
    return [a] { run_command(*a); };
}

}  // namespace hb
