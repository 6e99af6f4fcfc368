// SPDX-License-Identifier: Apache-2.0
// The pipeline of `encode`: added tokens, normalizer, added tokens again, words, merges, template.
// `truncation` and `padding` in the file belong to training batches and are not applied.
#include "text/tokenizer.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "text/added_tokens.hpp"
#include "text/bpe.hpp"
#include "text/byte_level.hpp"
#include "text/fields.hpp"
#include "text/pre_tokenizer.hpp"
#include "text/template_processor.hpp"
#include "text/unicode.hpp"

namespace hb {
namespace {

bool parse_normalizer(const Field& field, int depth = 0) {  // true: NFC
    if (field.is_null()) return false;
    const auto type = field["type"].text();
    if (type == "NFC") return field.only({"type"}), true;
    if (type != "Sequence" || depth >= 4)
        field["type"].refuse("null, NFC or a flat Sequence of them");
    field.only({"type", "normalizers"});
    bool nfc = false;
    for (const auto& item : field["normalizers"].items()) nfc |= parse_normalizer(item, depth + 1);
    return nfc;
}

void check_decoder(const Field& field, int depth = 0) {
    const auto type = field.is_null() ? "" : field["type"].text();
    if (type == "ByteLevel") return;
    if (type != "Sequence" || depth >= 4) field.refuse("a ByteLevel decoder");
    field.only({"type", "decoders"});
    const auto items = field["decoders"].items();
    if (items.size() != 1) field.refuse("one ByteLevel decoder");
    check_decoder(items[0], depth + 1);
}

AddedToken parse_added_token(const Field& field) {
    field.only({"id", "content", "special", "normalized", "lstrip", "rstrip", "single_word"});
    const auto id = field["id"].integer();
    if (id < 0) field["id"].refuse("an id");
    return {static_cast<std::int32_t>(id),      field["content"].text(),
            field["special"].flag_or(false),    field["normalized"].flag_or(false),
            field["lstrip"].flag_or(false),     field["rstrip"].flag_or(false),
            field["single_word"].flag_or(false)};
}

}  // namespace

struct Tokenizer::Impl {
    bool nfc = false;
    PreTokenizer pre_tokenizer;
    Bpe bpe;
    AddedTokenMatcher raw, normalized;
    SpecialIds specials;
    std::unordered_map<std::string, std::int32_t> added_ids;
    std::vector<std::string> tokens;  // by id, added ones too; empty where there is none
    std::vector<bool> special;
    std::int64_t largest_added = -1;

    void parse_added_tokens(const Field& field);
    void place(const Field& field, const AddedToken& token);
    void check_special_ids(const std::string& where) const;
    std::string normalize(std::string_view text) const {
        return nfc ? to_nfc(text) : std::string(text);
    }
    std::size_t index(std::int32_t id) const;
};

// An added token has the id that its spelling has in the vocabulary, or the next free one.
void Tokenizer::Impl::place(const Field& field, const AddedToken& token) {
    const auto known = bpe.ids.find(token.content);
    auto expected = std::max(static_cast<std::int64_t>(bpe.ids.size()), largest_added + 1);
    if (known != bpe.ids.end()) expected = known->second;
    if (const auto twice = added_ids.find(token.content); twice != added_ids.end())
        expected = twice->second;
    if (token.id != expected)
        field["id"].refuse(fmt::format("{}, the id that its place gives it", expected));
    const auto at = static_cast<std::size_t>(token.id);
    if (at >= tokens.size()) tokens.resize(at + 1);
    if (!tokens[at].empty() && tokens[at] != token.content)
        field["id"].refuse(fmt::format("an id that '{}' does not have", tokens[at]));
    tokens[at] = token.normalized ? normalize(token.content) : token.content;
    special.resize(tokens.size());
    if (token.special) special[at] = true;
    added_ids.emplace(token.content, token.id);
    largest_added = std::max<std::int64_t>(largest_added, token.id);
}

void Tokenizer::Impl::parse_added_tokens(const Field& field) {
    if (field.is_null()) return;
    std::vector<AddedToken> parsed;
    for (const auto& item : field.items()) {
        auto token = parse_added_token(item);
        if (token.content.empty()) continue;
        place(item, token);
        parsed.push_back(std::move(token));
    }
    for (const bool wanted : {true, false})
        for (const auto& token : parsed) {
            if (token.special != wanted) continue;
            if (token.normalized)
                normalized.add(normalize(token.content), token);
            else
                raw.add(token.content, token);
        }
}

void Tokenizer::Impl::check_special_ids(const std::string& where) const {
    for (const auto* side : {&specials.before, &specials.behind})
        for (const auto id : *side)
            if (static_cast<std::size_t>(id) >= tokens.size())
                fail("{}: post_processor names the id {}; the vocabulary ends at {}", where, id,
                     tokens.size());
}

std::size_t Tokenizer::Impl::index(std::int32_t id) const {
    if (id < 0) fail("the token id {} is negative", id);
    return static_cast<std::size_t>(id);
}

Tokenizer::Tokenizer(std::string_view json, const std::string& where)
    : impl_(std::make_unique<Impl>()) {
    nlohmann::json tree;
    try {
        tree = nlohmann::json::parse(json);
    } catch (const nlohmann::json::exception& error) {
        fail("{}: not JSON: {}", where, error.what());
    }
    const Field root{&tree, where + ": "};
    root.only({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
               "post_processor", "decoder", "model"});
    impl_->nfc = parse_normalizer(root["normalizer"]);
    impl_->pre_tokenizer = parse_pre_tokenizer(root["pre_tokenizer"]);
    check_decoder(root["decoder"]);
    impl_->bpe = parse_bpe(root["model"]);
    impl_->tokens = impl_->bpe.tokens;
    impl_->special.resize(impl_->tokens.size());
    impl_->parse_added_tokens(root["added_tokens"]);
    impl_->specials = parse_post_processor(root["post_processor"]);
    impl_->check_special_ids(where);
}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
    const std::string valid = replace_invalid_utf8(text);
    std::deque<std::string> storage;
    std::vector<TextPart> cut, parts;
    impl_->raw.split(valid, cut);
    for (const auto& part : cut) {
        if (part.id >= 0)
            parts.push_back(part);
        else
            impl_->normalized.split(storage.emplace_back(impl_->normalize(part.text)), parts);
    }
    std::vector<std::int32_t> ids;
    if (add_special_tokens) ids = impl_->specials.before;
    BpeCache cache(impl_->bpe);
    for (const auto& part : parts) {
        if (part.id >= 0)
            ids.push_back(part.id);
        else
            for (const auto word : impl_->pre_tokenizer.split(part.text, storage))
                cache.encode(word, ids);
    }
    if (add_special_tokens)
        ids.insert(ids.end(), impl_->specials.behind.begin(), impl_->specials.behind.end());
    return ids;
}

std::string Tokenizer::decode(const std::vector<std::int32_t>& ids,
                              bool skip_special_tokens) const {
    std::string bytes;
    for (const auto id : ids)
        if (!skip_special_tokens || !is_special(id)) bytes += token_bytes(id);
    return replace_invalid_utf8(bytes);
}

std::string Tokenizer::token_bytes(std::int32_t id) const {
    const auto at = impl_->index(id);
    return at < impl_->tokens.size() ? symbols_to_bytes(impl_->tokens[at]) : "";
}

bool Tokenizer::is_special(std::int32_t id) const {
    const auto at = impl_->index(id);
    return at < impl_->special.size() && impl_->special[at];
}

std::int32_t Tokenizer::id_of(std::string_view token) const {
    const std::string key(token);
    if (const auto found = impl_->added_ids.find(key); found != impl_->added_ids.end())
        return found->second;
    const auto found = impl_->bpe.ids.find(key);
    return found == impl_->bpe.ids.end() ? -1 : found->second;
}

std::int64_t Tokenizer::vocabulary() const {
    return static_cast<std::int64_t>(impl_->tokens.size());
}

}  // namespace hb
