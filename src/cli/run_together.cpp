// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <chrono>

#include "cli/options.hpp"
#include "cli/run.hpp"
#include "cli/terminal.hpp"
#include "cli/text_stream.hpp"
#include "engine/batch.hpp"

namespace hb {
namespace {

struct Answer {
    TextStream stream;
    std::string text, reason;  // reason: once it is whole
    std::int64_t prompt_tokens = 0, tokens = 0, reused = 0;
};

const char* name_of(End end) {
    switch (end) {
        case End::end_token:
            return "end token";
        case End::count:
            return "-n";
        case End::context:
            return "context limit";
        case End::none:
            break;
    }
    return "";
}

// One more token of an answer; false when a stop string ends it before the batch does.
bool take(const Drawn& drawn, const Tokenizer& tokenizer, Answer& answer) {
    answer.reused = drawn.reused;
    if (drawn.end != End::end_token) {
        ++answer.tokens;
        if (!tokenizer.is_special(drawn.token))
            answer.text += answer.stream.feed(tokenizer.token_bytes(drawn.token));
    }
    if (drawn.end != End::none) answer.text += answer.stream.finish();
    answer.reason = answer.stream.stopped() ? "stop string" : name_of(drawn.end);
    return !answer.stream.stopped() || drawn.end != End::none;
}

Json object_of(std::size_t index, const Answer& answer) {
    return {{"index", index},
            {"text", answer.text},
            {"tokens", answer.tokens},
            {"reason", answer.reason}};
}

std::string line_of(const Json& object) {
    return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Prints those that are whole and follow the `printed` first ones.
void show(const RunArguments& a, const std::vector<Answer>& answers, std::size_t& printed) {
    for (; printed < answers.size() && !answers[printed].reason.empty(); ++printed) {
        const Answer& answer = answers[printed];
        const bool last = printed + 1 == answers.size();
        if (a.json_lines)
            print(line_of(object_of(printed, answer)));
        else
            print(answer.text + (!last ? "\n\n" : stdout_is_terminal() ? "\n" : ""));
    }
}

std::vector<Answer> answer_all(const RunArguments& a, Batch& batch, const Tokenizer& tokenizer,
                               std::vector<TokenIds> prompts) {
    std::vector<Answer> answers;
    for (TokenIds& prompt : prompts) {
        answers.push_back({TextStream(a.stops), "", "", static_cast<std::int64_t>(prompt.size())});
        Sampling sampling = a.sampling;
        sampling.seed += answers.size() - 1;
        batch.submit({std::move(prompt), a.count, sampling, {}});
    }
    std::size_t printed = 0;
    while (!batch.idle()) {
        for (const Drawn& drawn : batch.step())
            if (!take(drawn, tokenizer, answers[static_cast<std::size_t>(drawn.request)]))
                batch.cancel(drawn.request);
        show(a, answers, printed);
    }
    return answers;
}

}  // namespace

void run_together(const RunArguments& a, const Decoder& decoder, const Tokenizer& tokenizer,
                  std::vector<TokenIds> prompts, Threads& threads) {
    const auto begin = std::chrono::steady_clock::now();
    Batch batch(decoder, pick_kernels(), threads, {a.parallel});
    const auto answers = answer_all(a, batch, tokenizer, std::move(prompts));
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::int64_t prompt_tokens = 0, tokens = 0;
    Json results = Json::array();
    for (const Answer& answer : answers) {
        prompt_tokens += answer.prompt_tokens;
        tokens += answer.tokens;
        results.push_back(object_of(results.size(), answer));
        results.back()["prompt_tokens"] = answer.prompt_tokens;
        results.back()["prompt_tokens_shared"] = answer.reused;
    }
    const std::int64_t shared = batch.counts().reused;
    const double rate = seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
    note(
        fmt::format("{} prompts, {} + {} tokens in {}, {:.1f} tokens/s; {} prompt tokens were "
                    "shared",
                    answers.size(), prompt_tokens, tokens, human_seconds(seconds), rate, shared));
    write_json(a.json, {{"model", a.model},
                        {"head", a.head},
                        {"kv", a.kv},
                        {"results", results},
                        {"prompt_tokens", prompt_tokens},
                        {"prompt_tokens_shared", shared},
                        {"tokens", tokens},
                        {"parallel", a.parallel},
                        {"seconds", seconds},
                        {"tokens_per_second", rate},
                        {"kernels", name_of(pick_kernels())},
                        {"threads", a.threads},
                        {"version", HALFBYTE_VERSION}});
}

}  // namespace hb
