// SPDX-License-Identifier: Apache-2.0
#include "text/added_tokens.hpp"

#include <algorithm>

#include "text/unicode.hpp"

namespace hb {
namespace {

std::size_t previous(std::string_view text, std::size_t at) {
    do --at;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80);
    return at;
}

bool ends_with_word(std::string_view text) {
    if (text.empty()) return false;
    auto at = previous(text, text.size());
    return is_word_character(next_code_point(text, at));
}

bool starts_with_word(std::string_view text) {
    std::size_t at = 0;
    return !text.empty() && is_word_character(next_code_point(text, at));
}

std::size_t without_space_at_end(std::string_view text) {
    auto end = text.size();
    while (end > 0) {
        const auto start = previous(text, end);
        auto at = start;
        if (!is_white_space(next_code_point(text, at))) break;
        end = start;
    }
    return end;
}

std::size_t space_at_start(std::string_view text) {
    std::size_t end = 0;
    for (std::size_t at = 0; at < text.size(); end = at)
        if (!is_white_space(next_code_point(text, at))) break;
    return end;
}

}  // namespace

void AddedTokenMatcher::add(std::string_view pattern, const AddedToken& token) {
    if (pattern.empty()) return;
    std::uint32_t node = 0;
    for (const char c : pattern) {
        const auto next = static_cast<std::uint32_t>(ends_.size());
        const auto key = static_cast<std::uint64_t>(node) << 8 | static_cast<unsigned char>(c);
        const auto [child, fresh] = children_.emplace(key, next);
        if (fresh) ends_.push_back(-1);
        node = child->second;
    }
    if (ends_[node] >= 0) return;
    ends_[node] = static_cast<std::int32_t>(tokens_.size());
    tokens_.push_back(token);
    starts_[static_cast<unsigned char>(pattern[0])] = true;
}

AddedTokenMatcher::Match AddedTokenMatcher::longest_at(std::string_view text,
                                                       std::size_t at) const {
    Match best;
    if (!starts_[static_cast<unsigned char>(text[at])]) return best;
    std::uint32_t node = 0;
    for (std::size_t i = at; i < text.size(); ++i) {
        const auto key =
            static_cast<std::uint64_t>(node) << 8 | static_cast<unsigned char>(text[i]);
        const auto child = children_.find(key);
        if (child == children_.end()) break;
        node = child->second;
        if (ends_[node] >= 0) best = {i + 1 - at, &tokens_[static_cast<std::size_t>(ends_[node])]};
    }
    return best;
}

void AddedTokenMatcher::split(std::string_view text, std::vector<TextPart>& parts) const {
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size();) {
        const auto match = longest_at(text, at);
        if (!match.token) {
            ++at;
            continue;
        }
        std::size_t first = at, last = at + match.size;
        at = last;
        if (match.token->single_word &&
            (ends_with_word(text.substr(0, first)) || starts_with_word(text.substr(last))))
            continue;
        if (match.token->lstrip)
            first = std::max(done, without_space_at_end(text.substr(0, first)));
        if (match.token->rstrip) last += space_at_start(text.substr(last));
        if (last <= first) continue;  // wholly in the space that an rstrip took
        if (first > done) parts.push_back({text.substr(done, first - done)});
        parts.push_back({text.substr(first, last - first), match.token->id});
        done = last;
    }
    if (done < text.size()) parts.push_back({text.substr(done)});
}

}  // namespace hb
