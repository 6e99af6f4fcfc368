// SPDX-License-Identifier: Apache-2.0
// A context and its continuation as tokens, split as lm-evaluation-harness splits them: white space
// at the end of the context belongs to the continuation; both are encoded as one text, and the
// continuation is what comes after as many tokens as the context alone has. Special tokens are
// added as the tokenizer's own template says, unless the text begins with the begin token. An empty
// context is the begin token, or the end token of a model that has none. What is longer than the
// model's context loses its beginning.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/config.hpp"
#include "text/tokenizer.hpp"

namespace hb {

struct Continuation {
    std::vector<std::int32_t> tokens;
    std::int64_t scored = 0;  // of them, the last ones; at least one, and less than all
    std::int64_t begin() const { return static_cast<std::int64_t>(tokens.size()) - scored; }
};

// Throws Error that begins with `where` when the continuation has no token, or more than the
// model's context holds.
Continuation encode_continuation(const Tokenizer& tokenizer, const ModelConfig& config,
                                 const std::string& context, const std::string& continuation,
                                 const std::string& where);

}  // namespace hb
