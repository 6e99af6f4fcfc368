// SPDX-License-Identifier: Apache-2.0
// tokenizer.json from a GGUF's tokenizer.ggml.* keys: byte-level BPE with one of the
// pre-tokenizers of a table. The text is written by hand because a vocabulary has 10^5 keys.
#include <unordered_set>

#include "core/error.hpp"
#include "io/pre_tokenizers.hpp"
#include "io/source.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

constexpr int kControl = 3, kUserDefined = 4;

#define HB_SPLIT(digits)                                               \
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)" digits \
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"

constexpr PreTokenizer kPreTokenizers[] = {
    {"llama-bpe", HB_SPLIT(R"(\p{N}{1,3})"), false, false, true, true},
    {"qwen2", HB_SPLIT(R"(\p{N})"), false, true, false, false},
    {"smollm", "", true, false, false, false},
    {"gpt-2", "", false, false, false, false},
};
#undef HB_SPLIT

const PreTokenizer& pre_tokenizer_of(const Gguf& gguf) {
    const auto model = gguf.text("tokenizer.ggml.model");
    if (model != "gpt2")
        fail("{}: tokenizer model '{}' is not supported; only gpt2 (byte-level BPE) is", gguf.file,
             printable(model));
    const auto name = gguf.text("tokenizer.ggml.pre");
    std::vector<std::string_view> known;
    for (const auto& pre : kPreTokenizers) {
        if (pre.name == name) return pre;
        known.push_back(pre.name);
    }
    fail("{}: pre-tokenizer '{}' is not supported; known are {}", gguf.file, printable(name),
         fmt::join(known, ", "));
}

std::string quoted(const Gguf& gguf, std::string_view text) {
    try {
        return Json(text).dump();
    } catch (const Json::exception&) {
        fail("{}: '{}' in the vocabulary is not UTF-8", gguf.file, printable(text));
    }
}

struct Vocabulary {
    std::vector<std::string_view> tokens;
    std::vector<std::int64_t> types;

    explicit Vocabulary(const Gguf& gguf) : tokens(gguf.texts("tokenizer.ggml.tokens")) {
        if (gguf.find("tokenizer.ggml.token_type"))
            types = gguf.wholes("tokenizer.ggml.token_type");
        else
            types.assign(tokens.size(), 1);
        if (types.size() != tokens.size())
            fail("{}: {} tokens but {} token types", gguf.file, tokens.size(), types.size());
    }
    std::string_view at(const Gguf& gguf, std::int64_t id) const {
        if (id < 0 || id >= static_cast<std::int64_t>(tokens.size()))
            fail("{}: token id {} is outside the vocabulary of {}", gguf.file, id, tokens.size());
        return tokens[static_cast<std::size_t>(id)];
    }
};

std::string vocabulary_json(const Gguf& gguf, const Vocabulary& vocabulary) {
    std::string text = "{";
    std::unordered_set<std::string_view> seen;
    for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
        const auto token = vocabulary.tokens[id];
        if (!seen.insert(token).second)
            fail("{}: token '{}' occurs twice in the vocabulary", gguf.file, printable(token));
        text += fmt::format("{}{}:{}", id ? "," : "", quoted(gguf, token), id);
    }
    return text + "}";
}

std::string merges_json(const Gguf& gguf) {
    std::string text = "[";
    for (const auto merge : gguf.texts("tokenizer.ggml.merges")) {
        const auto space = merge.find(' ', 1);
        if (space == std::string_view::npos || space + 1 == merge.size())
            fail("{}: merge '{}' is not a pair", gguf.file, printable(merge));
        text += fmt::format("{}[{},{}]", text.size() > 1 ? "," : "",
                            quoted(gguf, merge.substr(0, space)),
                            quoted(gguf, merge.substr(space + 1)));
    }
    return text + "]";
}

std::string added_tokens_json(const Gguf& gguf, const Vocabulary& vocabulary) {
    std::string text = "[";
    for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
        const auto type = vocabulary.types[id];
        if (type != kControl && type != kUserDefined) continue;
        text += fmt::format(
            "{}{{\"id\":{},\"content\":{},\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
            "\"normalized\":false,\"special\":{}}}",
            text.size() > 1 ? "," : "", id, quoted(gguf, vocabulary.tokens[id]), type == kControl);
    }
    return text + "]";
}

Json pre_tokenizer_json(const PreTokenizer& pre) {
    const bool split = !pre.split.empty();
    const Json bytes = {{"type", "ByteLevel"},
                        {"add_prefix_space", false},
                        {"trim_offsets", true},
                        {"use_regex", !split}};
    if (!split && !pre.digits) return bytes;
    Json first = {{"type", "Digits"}, {"individual_digits", true}};
    if (split)
        first = {{"type", "Split"},
                 {"pattern", {{"Regex", pre.split}}},
                 {"behavior", "Isolated"},
                 {"invert", false}};
    Json sequence = {{"type", "Sequence"}};
    sequence["pretokenizers"] = Json::array({first, bytes});
    return sequence;
}

// Null, or the template that puts BOS first.
Json post_processor_json(const Gguf& gguf, const Vocabulary& vocabulary, const PreTokenizer& pre) {
    if (gguf.flag_or_none("tokenizer.ggml.add_eos_token").value_or(false))
        fail("{}: tokenizer.ggml.add_eos_token is true, which is not supported", gguf.file);
    if (!gguf.flag_or_none("tokenizer.ggml.add_bos_token").value_or(pre.begins)) return nullptr;
    const auto id = gguf.whole("tokenizer.ggml.bos_token_id");
    const std::string bos(vocabulary.at(gguf, id));
    const auto special = [&](int type) {
        return Json{{"SpecialToken", {{"id", bos}, {"type_id", type}}}};
    };
    const auto sequence = [](const char* name, int type) {
        return Json{{"Sequence", {{"id", name}, {"type_id", type}}}};
    };
    Json json = {{"type", "TemplateProcessing"}};
    json["single"] = Json::array({special(0), sequence("A", 0)});
    json["pair"] = Json::array({special(0), sequence("A", 0), special(1), sequence("B", 1)});
    Json token;
    token["id"] = bos;
    token["ids"] = Json::array({id});
    token["tokens"] = Json::array({bos});
    json["special_tokens"][bos] = token;
    return json;
}

}  // namespace

std::span<const PreTokenizer> pre_tokenizers() {
    return kPreTokenizers;
}

std::string gguf_tokenizer(const Gguf& gguf) {
    const auto& pre = pre_tokenizer_of(gguf);
    const Vocabulary vocabulary(gguf);
    const std::string normalizer = pre.nfc ? R"({"type":"NFC"})" : "null";
    std::string text = R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":)";
    text += added_tokens_json(gguf, vocabulary);
    text += fmt::format(R"(,"normalizer":{},"pre_tokenizer":{},"post_processor":{})", normalizer,
                        pre_tokenizer_json(pre).dump(),
                        post_processor_json(gguf, vocabulary, pre).dump());
    text +=
        R"(,"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})";
    text +=
        R"(,"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,)"
        R"("end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,)";
    text += fmt::format(R"("ignore_merges":{},"vocab":)", pre.ignore_merges);
    text += vocabulary_json(gguf, vocabulary);
    text += ",\"merges\":" + merges_json(gguf) + "}}";
    return text;
}

std::string gguf_tokenizer_config(const Gguf& gguf) {
    const Vocabulary vocabulary(gguf);
    const auto& pre = pre_tokenizer_of(gguf);
    Json json;
    json["tokenizer_class"] = "PreTrainedTokenizerFast";
    json["clean_up_tokenization_spaces"] = false;
    json["model_max_length"] = gguf.whole(gguf.text("general.architecture") + ".context_length");
    json["add_bos_token"] = gguf.flag_or_none("tokenizer.ggml.add_bos_token").value_or(pre.begins);
    for (const auto& [name, key] : {std::pair{"bos_token", "tokenizer.ggml.bos_token_id"},
                                    std::pair{"eos_token", "tokenizer.ggml.eos_token_id"},
                                    std::pair{"pad_token", "tokenizer.ggml.padding_token_id"},
                                    std::pair{"unk_token", "tokenizer.ggml.unknown_token_id"}})
        if (const auto id = gguf.whole_or_none(key))
            json[name] = std::string(vocabulary.at(gguf, *id));
    if (const auto chat = gguf.text_or_none("tokenizer.chat_template"))
        json["chat_template"] = *chat;
    try {
        return json.dump(2);
    } catch (const Json::exception&) {
        fail("{}: tokenizer.chat_template or a special token is not UTF-8", gguf.file);
    }
}

std::string gguf_generation_config(const Gguf& gguf) {
    Json json = Json::object();
    if (const auto id = gguf.whole_or_none("tokenizer.ggml.bos_token_id"))
        json["bos_token_id"] = *id;
    const auto end = gguf_end_tokens(gguf);
    if (end.size() == 1)
        json["eos_token_id"] = end[0];
    else if (end.size() > 1)
        json["eos_token_id"] = end;
    if (const auto id = gguf.whole_or_none("tokenizer.ggml.padding_token_id"))
        json["pad_token_id"] = *id;
    return json.dump(2);
}

}  // namespace hb
