// SPDX-License-Identifier: Apache-2.0
#include "eval/continuation.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "io/strict_json.hpp"
#include "text/python_text.hpp"

namespace hb {
namespace {

std::int32_t begin_token(const ModelConfig& config) {
    if (config.bos_token >= 0) return static_cast<std::int32_t>(config.bos_token);
    return config.end_tokens.empty() ? -1 : static_cast<std::int32_t>(config.end_tokens[0]);
}

std::vector<std::int32_t> encode(const Tokenizer& tokenizer, std::int32_t begin,
                                 const std::string& text) {
    const std::string mark = begin < 0 ? "" : tokenizer.decode({begin}, false);
    return tokenizer.encode(text, mark.empty() || !text.starts_with(mark));
}

}  // namespace

Continuation encode_continuation(const Tokenizer& tokenizer, const ModelConfig& config,
                                 const std::string& context, const std::string& continuation,
                                 const std::string& where) {
    const std::size_t kept = jinja::without_trailing_space(context);
    const std::int32_t begin = begin_token(config);
    Continuation c;
    std::size_t split = 0;
    if (kept > 0) {
        c.tokens = encode(tokenizer, begin, context + continuation);
        split = encode(tokenizer, begin, context.substr(0, kept)).size();
    } else {
        c.tokens = tokenizer.encode(context + continuation, false);
        if (begin < 0) fail("{}: the context is empty and the model has no begin token", where);
        if (c.tokens.empty() || c.tokens[0] != begin) c.tokens.insert(c.tokens.begin(), begin);
        split = 1;
    }
    if (split == 0 || split >= c.tokens.size())
        fail("{}: the continuation '{}' adds no token to its context", where,
             printable(continuation));
    c.scored = static_cast<std::int64_t>(c.tokens.size() - split);
    if (c.scored > config.context)
        fail("{}: a continuation of {} tokens; the model's context holds {}", where, c.scored,
             config.context);
    const std::int64_t over = c.begin() + c.scored - (config.context + 1);
    if (over > 0) c.tokens.erase(c.tokens.begin(), c.tokens.begin() + over);
    for (const std::int32_t token : c.tokens)
        if (token < 0 || token >= config.vocab)
            fail("{}: the tokenizer gives the id {}; the model's vocabulary ends at {}", where,
                 token, config.vocab - 1);
    return c;
}

}  // namespace hb
