// SPDX-License-Identifier: Apache-2.0
// A GGUF names its pre-tokenizer instead of describing it, so tokenizer.json must be byte-level BPE
// with one that has a name; ids without a token are filled with unused ones up to the embedding's
// rows.
#include "layouts/gguf_tokenizer.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "io/pre_tokenizers.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

using Tree = nlohmann::json;  // finds keys in a tree: a vocabulary has 10^5

constexpr int kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5;

[[noreturn]] void refuse(const Contents& c, std::string_view what) {
    fail(
        "{}: tokenizer.json has {}, which a GGUF cannot hold: without the file, the model is "
        "converted without its tokenizer",
        c.checkpoint->path().string(), what);
}

const Tree& field(const Tree& json, const char* name) {  // null when absent
    static const Tree kNull;
    const auto it = json.is_object() ? json.find(name) : json.end();
    return it == json.end() ? kNull : *it;
}

std::string type_of(const Tree& json) {
    return json.is_object() ? json.value("type", "") : "";
}

// Parts of a possibly nested Sequence.
std::vector<const Tree*> parts_of(const Tree& json, const char* list) {
    if (!json.is_object()) return {};
    if (type_of(json) != "Sequence") return {&json};
    std::vector<const Tree*> parts;
    if (const Tree& items = field(json, list); items.is_array())
        for (const auto& part : items)
            for (const Tree* inner : parts_of(part, list)) parts.push_back(inner);
    return parts;
}

std::string split_of(const Tree& part) {
    const Tree& pattern = field(part, "pattern");
    return pattern.is_object() ? pattern.value("Regex", "") : "";
}

bool matches(const PreTokenizer& pre, const std::vector<const Tree*>& parts) {
    const bool alone = pre.split.empty() && !pre.digits;
    if (parts.size() != (alone ? 1u : 2u) || type_of(*parts.back()) != "ByteLevel" ||
        parts.back()->value("use_regex", true) != pre.split.empty() ||
        parts.back()->value("add_prefix_space", true))
        return false;
    if (alone) return true;
    const Tree& first = *parts[0];
    if (pre.digits) return type_of(first) == "Digits" && first.value("individual_digits", false);
    return type_of(first) == "Split" && split_of(first) == pre.split &&
           first.value("behavior", "") == "Isolated" && !first.value("invert", false);
}

const PreTokenizer& find_pre_tokenizer(const Contents& c, const Tree& tokenizer) {
    const auto parts = parts_of(field(tokenizer, "pre_tokenizer"), "pretokenizers");
    const bool nfc = type_of(field(tokenizer, "normalizer")) == "NFC";
    const bool none = field(tokenizer, "normalizer").is_null();
    const bool ignores = field(tokenizer, "model").value("ignore_merges", false);
    std::vector<std::string_view> known;
    for (const auto& pre : pre_tokenizers()) {
        if (matches(pre, parts) && (nfc || none) && nfc == pre.nfc && ignores == pre.ignore_merges)
            return pre;
        known.push_back(pre.name);
    }
    refuse(c,
           fmt::format("a pre_tokenizer or normalizer that is none of {}", fmt::join(known, ", ")));
}

struct Vocabulary {
    std::vector<std::string> tokens;
    std::vector<std::int32_t> types;

    explicit Vocabulary(std::int64_t size) {
        for (std::int64_t id = 0; id < size; ++id) tokens.push_back(fmt::format("[PAD{}]", id));
        types.assign(static_cast<std::size_t>(size), kUnused);
    }
    void put(const Contents& c, const std::string& token, const Tree& id, int type) {
        const auto size = static_cast<std::int64_t>(tokens.size());
        if (!id.is_number_integer() || id.get<std::int64_t>() < 0 || id.get<std::int64_t>() >= size)
            refuse(c, fmt::format("the id {} for '{}', outside the embedding's {} rows",
                                  printable(id.dump()), printable(token), size));
        tokens[id.get<std::size_t>()] = token;
        types[id.get<std::size_t>()] = type;
    }
    std::optional<std::int64_t> find(const std::string& token) const {
        const auto it = std::find(tokens.begin(), tokens.end(), token);
        if (it == tokens.end()) return std::nullopt;
        return it - tokens.begin();
    }
};

Vocabulary read_vocabulary(const Contents& c, const Tree& tokenizer) {
    Vocabulary vocabulary(c.model.vocab);
    for (const auto& [token, id] : field(field(tokenizer, "model"), "vocab").items())
        vocabulary.put(c, token, id, kNormal);
    for (const auto& token : field(tokenizer, "added_tokens")) {
        if (!token.is_object()) refuse(c, "an added token that is not an object");
        vocabulary.put(c, token.value("content", ""), token.value("id", Tree()),
                       token.value("special", false) ? kControl : kUserDefined);
    }
    return vocabulary;
}

std::vector<std::string> read_merges(const Contents& c, const Tree& model) {
    std::vector<std::string> merges;
    for (const auto& merge : field(model, "merges")) {
        if (merge.is_string())
            merges.push_back(merge.get<std::string>());
        else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
                 merge[1].is_string())
            merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
        else
            refuse(c, "a merge that is not a pair");
    }
    return merges;
}

// Whether the post-processor begins every text with a special token.
bool begins_with_special(const Tree& post_processor) {
    for (const Tree* part : parts_of(post_processor, "processors")) {
        const Tree& single = field(*part, "single");
        if (type_of(*part) == "TemplateProcessing" && single.is_array() && !single.empty() &&
            single.front().contains("SpecialToken"))
            return true;
    }
    return false;
}

Tree asset(const Contents& c, const char* name) {
    const auto text = c.checkpoint->asset(name);
    if (!text) return Tree::object();
    const auto where = c.checkpoint->path().string() + ": " + name;
    try {
        Tree tree = Tree::parse(*text);
        if (!tree.is_object()) fail("{}: wanted a JSON object, got {}", where, tree.type_name());
        return tree;
    } catch (const Tree::exception& error) {
        fail("{} is not valid JSON: {}", where, json_reason(error));
    }
}

std::string token_text(const Tree& config, const char* name) {
    const Tree& token = field(config, name);
    if (token.is_object()) return token.value("content", "");
    return token.is_string() ? token.get<std::string>() : "";
}

// The end token that tokenizer_config.json names, then one other that ends a text.
void add_end_tokens(const Contents& c, const Tree& config, const Vocabulary& vocabulary,
                    GgufToWrite& gguf) {
    std::vector<std::int64_t> ids;
    if (const auto id = vocabulary.find(token_text(config, "eos_token"))) ids.push_back(*id);
    const Tree generation = asset(c, "generation_config.json");
    Tree more = field(generation, "eos_token_id");
    if (more.is_number_integer()) more = Tree::array({more});
    if (more.is_array())
        for (const auto& id : more)
            if (id.is_number_integer()) ids.push_back(id.get<std::int64_t>());
    ids.insert(ids.end(), c.model.end_tokens.begin(), c.model.end_tokens.end());
    if (ids.empty()) return;
    gguf.whole("tokenizer.ggml.eos_token_id", ids[0]);
    const auto other =
        std::find_if(ids.begin(), ids.end(), [&](std::int64_t id) { return id != ids[0]; });
    if (other != ids.end()) gguf.whole("tokenizer.ggml.eot_token_id", *other);
}

void add_special_tokens(const Contents& c, const Tree& config, const Vocabulary& vocabulary,
                        GgufToWrite& gguf) {
    const auto bos = vocabulary.find(token_text(config, "bos_token"));
    if (bos || c.model.bos_token >= 0)
        gguf.whole("tokenizer.ggml.bos_token_id", bos.value_or(c.model.bos_token));
    add_end_tokens(c, config, vocabulary, gguf);
    for (const auto& [name, key] : {std::pair{"pad_token", "tokenizer.ggml.padding_token_id"},
                                    std::pair{"unk_token", "tokenizer.ggml.unknown_token_id"}})
        if (const auto id = vocabulary.find(token_text(config, name))) gguf.whole(key, *id);
}

std::string chat_template_of(const Contents& c, const Tree& config) {
    if (const auto own = c.checkpoint->asset("chat_template.jinja")) return *own;
    const Tree& chat = field(config, "chat_template");
    if (chat.is_string()) return chat.get<std::string>();
    if (chat.is_array())
        for (const auto& named : chat)
            if (named.is_object() && named.value("name", "") == "default")
                return named.value("template", "");
    return "";
}

void add_keys(const Contents& c, const Tree& tokenizer, GgufToWrite& gguf) {
    const Tree& model = field(tokenizer, "model");
    if (type_of(model) != "BPE" || !field(model, "vocab").is_object() ||
        model.value("byte_fallback", false))
        refuse(c, "no byte-level BPE");
    const auto& pre = find_pre_tokenizer(c, tokenizer);
    const auto vocabulary = read_vocabulary(c, tokenizer);
    const Tree config = asset(c, "tokenizer_config.json");
    gguf.text("tokenizer.ggml.model", "gpt2");
    gguf.text("tokenizer.ggml.pre", pre.name);
    gguf.texts("tokenizer.ggml.tokens", vocabulary.tokens);
    gguf.wholes("tokenizer.ggml.token_type", vocabulary.types);
    gguf.texts("tokenizer.ggml.merges", read_merges(c, model));
    add_special_tokens(c, config, vocabulary, gguf);
    gguf.flag("tokenizer.ggml.add_bos_token",
              begins_with_special(field(tokenizer, "post_processor")));
    if (const auto chat = chat_template_of(c, config); !chat.empty())
        gguf.text("tokenizer.chat_template", chat);
}

}  // namespace

bool add_tokenizer(const Contents& c, GgufToWrite& gguf) {
    if (!c.checkpoint->asset("tokenizer.json")) return false;
    try {
        add_keys(c, asset(c, "tokenizer.json"), gguf);
    } catch (const Tree::exception& error) {
        fail("{}: the tokenizer's files are damaged: {}", c.checkpoint->path().string(),
             json_reason(error));
    }
    return true;
}

}  // namespace hb
