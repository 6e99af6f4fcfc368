// SPDX-License-Identifier: Apache-2.0
#include "text/bpe.hpp"

#include <algorithm>
#include <optional>
#include <queue>

#include "core/error.hpp"
#include "text/byte_level.hpp"

namespace hb {
namespace {

constexpr std::size_t kCachedWordBytes = 64, kCachedWords = 1 << 17;

constexpr std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
}

struct Symbol {
    std::int32_t id;
    int previous, next;  // -1 at the ends
};

struct Candidate {
    std::int32_t rank, id;
    int at;
    bool operator<(const Candidate& other) const {  // the heap's top is the lowest rank, leftmost
        return rank != other.rank ? rank > other.rank : at > other.at;
    }
};

struct Word {
    const Bpe& bpe;
    std::vector<Symbol> symbols = {};
    std::priority_queue<Candidate> candidates = {};

    const Merge* merge_at(int at) const {
        const auto& left = symbols[static_cast<std::size_t>(at)];
        if (left.id < 0 || left.next < 0) return nullptr;
        const auto found =
            bpe.merges.find(pair_key(left.id, symbols[static_cast<std::size_t>(left.next)].id));
        return found == bpe.merges.end() ? nullptr : &found->second;
    }
    void consider(int at) {
        if (at < 0) return;
        if (const Merge* merge = merge_at(at)) candidates.push({merge->rank, merge->id, at});
    }
    void join(int at, std::int32_t id) {
        auto& left = symbols[static_cast<std::size_t>(at)];
        auto& right = symbols[static_cast<std::size_t>(left.next)];
        left.id = id;
        left.next = right.next;
        right.id = -1;
        if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = at;
        consider(left.previous);
        consider(at);
    }
    void run() {
        for (int at = 0; at + 1 < static_cast<int>(symbols.size()); ++at) consider(at);
        while (!candidates.empty()) {
            const auto top = candidates.top();
            candidates.pop();
            const Merge* merge = merge_at(top.at);  // the pair may have changed since
            if (merge && merge->id == top.id) join(top.at, top.id);
        }
    }
};

// Only an error asks for its name.
Field entry_of(const Field& vocabulary, const std::string& token, const nlohmann::json& value) {
    return {&value, fmt::format("{}['{}']", vocabulary.name, token)};
}

std::int64_t id_of(const Field& vocabulary, const std::string& token, const nlohmann::json& value,
                   std::int64_t limit) {
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() < static_cast<std::uint64_t>(limit))
        return value.get<std::int64_t>();
    const Field entry = entry_of(vocabulary, token, value);
    const auto id = entry.integer();
    if (id < 0 || id >= limit) entry.refuse(fmt::format("an id in 0..{}", limit - 1));
    return id;
}

void parse_vocabulary(const Field& field, Bpe& bpe) {
    if (!field.value->is_object()) field.refuse("an object of token: id");
    const auto limit = static_cast<std::int64_t>(4 * field.value->size() + 65536);
    bpe.ids.reserve(field.value->size());
    for (const auto& [token, value] : field.value->items()) {
        const auto id = id_of(field, token, value, limit);
        if (static_cast<std::size_t>(id) >= bpe.tokens.size())
            bpe.tokens.resize(static_cast<std::size_t>(id) + 1);
        auto& slot = bpe.tokens[static_cast<std::size_t>(id)];
        if (!slot.empty())
            entry_of(field, token, value)
                .refuse(fmt::format("an id that '{}' does not have", slot));
        slot = token;
        bpe.ids.emplace(token, static_cast<std::int32_t>(id));
    }
    for (int byte = 0; byte < 256; ++byte) {
        const auto found = bpe.ids.find(byte_to_symbol(static_cast<unsigned char>(byte)));
        bpe.byte_ids[static_cast<std::size_t>(byte)] = found == bpe.ids.end() ? -1 : found->second;
    }
}

struct Pair {
    std::string_view left, right;
};

[[noreturn]] void refuse_merge(const Field& merge) {
    if (!merge.value->is_array()) {
        merge.text();
        merge.refuse("two tokens with one space between them");
    }
    for (const auto& part : merge.items()) part.text();
    merge.refuse("two tokens");
}

// [left, right] or "left right"; empty for anything else.
std::optional<Pair> merge_parts(const nlohmann::json& merge) {
    if (merge.is_array()) {
        if (merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string()) return {};
        return Pair{merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>()};
    }
    if (!merge.is_string()) return {};
    const std::string_view text = merge.get_ref<const std::string&>();
    const auto space = text.find(' ');
    if (space == text.npos || text.find(' ', space + 1) != text.npos) return {};
    return Pair{text.substr(0, space), text.substr(space + 1)};
}

void parse_merges(const Field& field, Bpe& bpe) {
    if (!field.value->is_array()) field.refuse("an array");
    bpe.merges.reserve(field.value->size());
    std::int32_t rank = 0;
    std::string joined;
    for (const auto& value : *field.value) {
        const auto merge = [&] { return Field{&value, fmt::format("{}[{}]", field.name, rank)}; };
        const auto id_of = [&](std::string_view token) {
            const auto found = bpe.ids.find(token);
            if (found == bpe.ids.end()) merge().refuse(fmt::format("'{}' in model.vocab", token));
            return found->second;
        };
        const auto parts = merge_parts(value);
        if (!parts) refuse_merge(merge());
        joined.assign(parts->left).append(parts->right);
        const auto pair = pair_key(id_of(parts->left), id_of(parts->right));
        bpe.merges.insert_or_assign(pair, Merge{rank, id_of(joined)});
        ++rank;
    }
}

}  // namespace

void Bpe::encode(std::string_view word, std::vector<std::int32_t>& out) const {
    if (word.size() > (std::size_t{1} << 30))
        fail("a word of {} bytes; wanted at most 2^30", word.size());
    if (ignore_merges) {
        const auto found = ids.find(bytes_to_symbols(word));
        if (found != ids.end()) return out.push_back(found->second);
    }
    Word state{*this};
    state.symbols.reserve(word.size());
    for (const char byte : word) {
        const auto id = byte_ids[static_cast<unsigned char>(byte)];
        const int at = static_cast<int>(state.symbols.size());
        if (id >= 0) state.symbols.push_back({id, at - 1, at + 1});
    }
    if (!state.symbols.empty()) state.symbols.back().next = -1;
    state.run();
    for (const auto& symbol : state.symbols)
        if (symbol.id >= 0) out.push_back(symbol.id);
}

void BpeCache::encode(std::string_view word, std::vector<std::int32_t>& out) {
    const auto first = out.size();
    const bool small = word.size() <= kCachedWordBytes;
    if (small) {
        const auto found = known_.find(word);
        if (found != known_.end()) {
            const auto start = ids_.begin() + static_cast<std::ptrdiff_t>(found->second.first);
            out.insert(out.end(), start, start + static_cast<std::ptrdiff_t>(found->second.count));
            return;
        }
    }
    bpe_.encode(word, out);
    if (!small || known_.size() >= kCachedWords) return;
    known_.emplace(word, Range{ids_.size(), out.size() - first});
    ids_.insert(ids_.end(), out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
}

Bpe parse_bpe(const Field& model) {
    if (model["type"].is_null() ? false : model["type"].text() != "BPE")
        model["type"].refuse("\"BPE\"");
    model.only({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
    const auto dropout = model["dropout"];
    if (!dropout.is_null() && !(dropout.value->is_number() && dropout.value->get<double>() == 0))
        dropout.refuse("null");
    if (!model["unk_token"].is_null()) model["unk_token"].refuse("null");
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
        if (!model[key].is_null() && !model[key].text().empty()) model[key].refuse("null or \"\"");
    if (model["byte_fallback"].flag_or(false)) model["byte_fallback"].refuse("false");
    Bpe bpe;
    bpe.ignore_merges = model["ignore_merges"].flag_or(false);
    parse_vocabulary(model["vocab"], bpe);
    parse_merges(model["merges"], bpe);
    return bpe;
}

}  // namespace hb
