// SPDX-License-Identifier: Apache-2.0
// How a text is cut into words before the merges: a row of steps (regex, digits), of which the last
// is ByteLevel. A word is a piece of UTF-8; merges never cross its ends.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/fields.hpp"
#include "text/regex.hpp"

namespace hb {

struct SplitStep {
    Regex regex;
};
struct DigitsStep {
    bool individual;
};
struct ByteLevelStep {
    bool add_prefix_space;
    std::vector<Regex> regex;  // GPT-2's, or none
};
using PreTokenizerStep = std::variant<SplitStep, DigitsStep, ByteLevelStep>;

struct PreTokenizer {
    std::vector<PreTokenizerStep> steps;

    // `storage` keeps alive the words that are not parts of `text`.
    std::vector<std::string_view> split(std::string_view text,
                                        std::deque<std::string>& storage) const;
};

PreTokenizer parse_pre_tokenizer(const Field& field);

}  // namespace hb
