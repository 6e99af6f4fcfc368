// SPDX-License-Identifier: Apache-2.0
#include "text/pre_tokenizer.hpp"

#include "core/error.hpp"
#include "text/unicode.hpp"

namespace hb {
namespace {

using Words = std::vector<std::string_view>;

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

Words apply(const SplitStep& step, Words words, std::deque<std::string>&) {
    return step.regex.split(words);
}

Words apply(const DigitsStep& step, Words words, std::deque<std::string>&) {
    Words out;
    for (const auto word : words) {
        std::size_t first = 0;
        bool last_numeric = false;
        for (std::size_t at = 0; at < word.size();) {
            const auto here = at;
            const bool numeric = is_numeric(next_code_point(word, at));
            const bool cut = numeric != last_numeric || (numeric && step.individual);
            if (cut && here > first) {
                out.push_back(word.substr(first, here - first));
                first = here;
            }
            last_numeric = numeric;
        }
        if (first < word.size()) out.push_back(word.substr(first));
    }
    return out;
}

Words apply(const ByteLevelStep& step, Words words, std::deque<std::string>& storage) {
    if (step.add_prefix_space)
        for (auto& word : words)
            if (!word.starts_with(' ')) word = storage.emplace_back(" " + std::string(word));
    return step.regex.empty() ? words : step.regex.front().split(words);
}

SplitStep parse_split(const Field& field) {
    field.only({"type", "pattern", "behavior", "invert"});
    field["pattern"].only({"Regex"});
    if (field["behavior"].text() != "Isolated") field["behavior"].refuse("\"Isolated\"");
    if (field["invert"].flag_or(false)) field["invert"].refuse("false");
    const auto pattern = field["pattern"]["Regex"];
    return {Regex(pattern.text(), pattern.name)};
}

ByteLevelStep parse_byte_level(const Field& field) {
    field.only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    ByteLevelStep step{field["add_prefix_space"].flag_or(true), {}};
    if (field["use_regex"].flag_or(true)) step.regex.emplace_back(kGpt2, field.name);
    return step;
}

void parse_into(const Field& field, PreTokenizer& out, int depth) {
    if (field.is_null()) field.refuse("a pre-tokenizer that ends in ByteLevel");
    if (!out.steps.empty() && std::holds_alternative<ByteLevelStep>(out.steps.back()))
        field.refuse("nothing behind ByteLevel");
    const auto type = field["type"].text();
    if (type == "Split") {
        out.steps.emplace_back(parse_split(field));
    } else if (type == "Digits") {
        field.only({"type", "individual_digits"});
        out.steps.emplace_back(DigitsStep{field["individual_digits"].flag_or(false)});
    } else if (type == "ByteLevel") {
        out.steps.emplace_back(parse_byte_level(field));
    } else if (type == "Sequence" && depth < 4) {
        field.only({"type", "pretokenizers"});
        for (const auto& item : field["pretokenizers"].items()) parse_into(item, out, depth + 1);
    } else {
        field["type"].refuse("Split, Digits, ByteLevel or a flat Sequence of them");
    }
}

}  // namespace

Words PreTokenizer::split(std::string_view text, std::deque<std::string>& storage) const {
    Words words;
    if (!text.empty()) words.push_back(text);
    for (const auto& step : steps)
        words =
            std::visit([&](const auto& s) { return apply(s, std::move(words), storage); }, step);
    return words;
}

PreTokenizer parse_pre_tokenizer(const Field& field) {
    PreTokenizer out;
    parse_into(field, out, 0);
    if (out.steps.empty() || !std::holds_alternative<ByteLevelStep>(out.steps.back()))
        field.refuse("a pre-tokenizer that ends in ByteLevel (only byte-level BPE is known)");
    return out;
}

}  // namespace hb
