// SPDX-License-Identifier: Apache-2.0
// What is not known is refused, and the message names the field.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/json.hpp"
#include "text/regex.hpp"
#include "text/tokenizer.hpp"

namespace hb {
namespace {

Json small_file() {
    return Json::parse(R"({"version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [{"id": 3, "content": "<s>", "special": true, "normalized": false}],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "fuse_unk": false, "byte_fallback": false,
                  "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
}

std::string error_of(const std::string& file) {
    try {
        Tokenizer(file, "t.json");
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

struct Change {
    const char* pointer;
    const char* value;
    const char* wanted;  // part of the message
};
void PrintTo(const Change& change, std::ostream* out) {
    *out << change.pointer << " = " << change.value;
}

class TokenizerRefuses : public ::testing::TestWithParam<Change> {};

TEST_P(TokenizerRefuses, AndNamesTheField) {
    auto file = small_file();
    file[Json::json_pointer(GetParam().pointer)] = Json::parse(GetParam().value);
    const auto message = error_of(file.dump());
    EXPECT_THAT(message, ::testing::StartsWith("t.json: "));
    EXPECT_THAT(message, ::testing::HasSubstr(GetParam().wanted));
    EXPECT_EQ(message.find('\n'), std::string::npos);
}

const Change kChanges[] = {
    {"/model/type", R"("WordPiece")", "model.type"},
    {"/model/dropout", "0.1", "model.dropout"},
    {"/model/unk_token", R"("<unk>")", "model.unk_token"},
    {"/model/byte_fallback", "true", "model.byte_fallback"},
    {"/model/continuing_subword_prefix", R"("##")", "model.continuing_subword_prefix"},
    {"/model/end_of_word_suffix", R"("</w>")", "model.end_of_word_suffix"},
    {"/model/new_option", "1", "new_option"},
    {"/model/vocab", "[]", "model.vocab"},
    {"/model/vocab/b", "-1", "model.vocab['b']"},
    {"/model/vocab/b", "4000000000", "model.vocab['b']"},
    {"/model/vocab/b", "2000000000", "model.vocab['b']"},
    {"/model/vocab/b", "0", "model.vocab['b']"},
    {"/model/vocab/b", "1.5", "model.vocab['b']"},
    {"/model/merges", R"(["a b c"])", "model.merges[0]"},
    {"/model/merges", R"(["ab"])", "model.merges[0]"},
    {"/model/merges", R"([["a"]])", "model.merges[0]"},
    {"/model/merges", R"(["a x"])", "model.merges[0]"},
    {"/model/merges", R"(["b a"])", "model.merges[0]"},
    {"/model/merges", "null", "model.merges"},
    {"/normalizer", R"({"type": "NFKC"})", "normalizer.type"},
    {"/normalizer", R"({"type": "Sequence", "normalizers": [{"type": "Lowercase"}]})",
     "normalizer.normalizers[0].type"},
    {"/pre_tokenizer", "null", "pre_tokenizer"},
    {"/pre_tokenizer", R"({"type": "Whitespace"})", "pre_tokenizer.type"},
    {"/pre_tokenizer", R"({"type": "Digits", "individual_digits": true})", "pre_tokenizer"},
    {"/pre_tokenizer",
     R"({"type": "Split", "pattern": {"String": " "}, "behavior": "Isolated", "invert": false})",
     "pattern"},
    {"/pre_tokenizer",
     R"({"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Removed", "invert": false})",
     "behavior"},
    {"/pre_tokenizer",
     R"({"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Isolated", "invert": true})",
     "invert"},
    {"/pre_tokenizer",
     R"({"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated", "invert": false})",
     "Regex"},
    {"/post_processor", R"({"type": "BertProcessing"})", "post_processor.type"},
    {"/post_processor",
     R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {}})",
     "special_tokens.x"},
    {"/post_processor",
     R"({"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}})", "single"},
    {"/decoder", "null", "decoder"},
    {"/decoder", R"({"type": "Metaspace"})", "decoder"},
    {"/added_tokens/0/id", "7", "added_tokens[0].id"},
    {"/added_tokens/0/id", "-3", "added_tokens[0].id"},
    {"/added_tokens/0/content", "5", "added_tokens[0].content"},
    {"/added_tokens/0/extra", "5", "extra"},
    {"/unheard_of", "{}", "unheard_of"},
};
INSTANTIATE_TEST_SUITE_P(Fields, TokenizerRefuses, ::testing::ValuesIn(kChanges));

TEST(TokenizerErrors, TheSmallFileItselfIsGood) {
    EXPECT_EQ(error_of(small_file().dump()), "");
    const Tokenizer tokenizer(small_file().dump(), "t.json");
    EXPECT_EQ(tokenizer.encode("ab<s>ba", false), (std::vector<std::int32_t>{2, 3, 1, 0}));
    EXPECT_EQ(tokenizer.encode("a?b", false),
              (std::vector<std::int32_t>{0, 1}));  // no token: no id
}

TEST(TokenizerErrors, BrokenJsonIsAnError) {
    for (const std::string text : {"", "{", "[]", "null", "\xff", "{\"model\": {}}"})
        EXPECT_THAT(error_of(text), ::testing::StartsWith("t.json: ")) << text;
    EXPECT_THAT(error_of(std::string(100'000, '[')), ::testing::StartsWith("t.json: "));
}

TEST(RegexSyntax, RefusesWhatTheEnginesReadDifferently) {
    for (const char* pattern :
         {"\\h",       "\\w",         "\\b",      "\\x41",   "\\v",     "^a",      "a$",
          ".",         "[[:alpha:]]", "[a[b]]",   "[a&&b]",  "(?<n>a)", "(?i)a",   "a{,3}",
          "a{2}+",     "a{99999}",    "\\p{Han}", "\\p{^L}", "\\pL",    "(?i:ss)", "(?i:\xc3\xa9)",
          "[^\\P{L}]", "[]a]",        "(?i:\\s)", "a)",      "a\\",     "[a",      "(?i:[a])",
          "}",         "a{1"})
        EXPECT_THROW(Regex(pattern, "r"), Error) << pattern;
}

TEST(RegexSyntax, SplitsIntoMatchesAndTheRest) {
    const Regex regex("b+|(?=d)", "r");
    const std::vector<std::string_view> wanted = {"a", "bb", "c", "de"};
    EXPECT_EQ(regex.split({"abbcde"}), wanted);
    EXPECT_TRUE(regex.split({""}).empty());
}

TEST(RegexSyntax, AnExponentialPatternEndsInAnError) {
    const Regex regex("(?:a|a)+(?=b)", "r");
    EXPECT_THROW(regex.split({std::string(64, 'a')}), Error);
}

}  // namespace
}  // namespace hb
