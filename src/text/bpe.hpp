// SPDX-License-Identifier: Apache-2.0
// Byte-pair encoding (Sennrich et al., arXiv:1508.07909): the symbols of a word are joined pair by
// pair, always the pair of the lowest rank, leftmost first. A heap of candidate pairs over a linked
// list of symbols makes a word of n bytes cost n log n.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/random.hpp"
#include "text/fields.hpp"

namespace hb {

struct PairHash {
    std::size_t operator()(std::uint64_t pair) const { return mix64(pair); }
};

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
        return std::hash<std::string_view>{}(text);
    }
};

struct Merge {
    std::int32_t rank, id;
};

struct Bpe {
    // By token, spelled in the byte-level alphabet.
    std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>> ids;
    // By id; empty where there is none.
    std::vector<std::string> tokens;
    std::unordered_map<std::uint64_t, Merge, PairHash> merges;  // (left << 32 | right)
    std::array<std::int32_t, 256> byte_ids;  // -1: the byte has no token and vanishes
    bool ignore_merges = false;              // a word that is a token is taken whole

    void encode(std::string_view word, std::vector<std::int32_t>& out) const;
};

Bpe parse_bpe(const Field& model);

// Encodes word after word and remembers the short ones, as most words come again.
class BpeCache {
public:
    explicit BpeCache(const Bpe& bpe) : bpe_(bpe) {}
    // `word` must outlive the cache.
    void encode(std::string_view word, std::vector<std::int32_t>& out);

private:
    struct Range {
        std::size_t first, count;
    };
    const Bpe& bpe_;
    std::unordered_map<std::string_view, Range> known_;
    std::vector<std::int32_t> ids_;
};

}  // namespace hb
