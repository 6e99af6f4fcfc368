// SPDX-License-Identifier: Apache-2.0
// Tokens with a fixed spelling that are cut out of a text before anything else touches it: first
// those matched in the raw text, then, in what is left and normalized, the others. At each place
// the longest one wins. A trie finds them; `lstrip` and `rstrip` take in the white space around,
// `single_word` refuses a match that touches a word character.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/random.hpp"

namespace hb {

struct AddedToken {
    std::int32_t id = 0;
    std::string content;
    bool special = false, normalized = false, lstrip = false, rstrip = false, single_word = false;
};

struct TextPart {
    std::string_view text;
    std::int32_t id = -1;  // -1: plain text, still to be encoded
};

class AddedTokenMatcher {
public:
    void add(std::string_view pattern,
             const AddedToken& token);  // the first of two equal patterns stays
    void split(std::string_view text, std::vector<TextPart>& parts) const;

private:
    struct NodeHash {
        std::size_t operator()(std::uint64_t key) const { return mix64(key); }
    };
    struct Match {
        std::size_t size = 0;
        const AddedToken* token = nullptr;
    };
    Match longest_at(std::string_view text, std::size_t at) const;

    std::vector<AddedToken> tokens_;
    std::unordered_map<std::uint64_t, std::uint32_t, NodeHash> children_;  // node << 8 | byte
    std::vector<std::int32_t> ends_ = {-1};  // by node: index in tokens_
    bool starts_[256] = {};
};

}  // namespace hb
