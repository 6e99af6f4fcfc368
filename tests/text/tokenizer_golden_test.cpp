// SPDX-License-Identifier: Apache-2.0
// golden/tokenizers.json: one vocabulary, the pipelines of several families, and what Hugging Face
// `tokenizers` made of the same texts.
#include <gtest/gtest.h>

#include "core/file.hpp"
#include "core/json.hpp"
#include "text/tokenizer.hpp"

namespace hb {
namespace {

const Json& golden() {
    static const Json table =
        Json::parse(read_file(HALFBYTE_TESTS_DIR "/text/golden/tokenizers.json"));
    return table;
}

std::string from_hex(const std::string& hex) {
    std::string out;
    for (std::size_t i = 0; i < hex.size(); i += 2)
        out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return out;
}

Tokenizer tokenizer_of(const std::string& family) {
    const auto& entry = golden().at("families").at(family);
    auto file = entry.at("pipeline");
    file["model"] = golden().at("model");
    file["model"].update(entry.at("model"));
    if (!entry.at("pairs"))
        for (auto& merge : file["model"]["merges"])
            merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
    return Tokenizer(file.dump(), family);
}

class TokenizerFamily : public ::testing::TestWithParam<std::string> {};

TEST_P(TokenizerFamily, EncodesAndDecodesAsTokenizersDoes) {
    const auto tokenizer = tokenizer_of(GetParam());
    const auto& cases = golden().at("families").at(GetParam()).at("cases");
    const auto& texts = golden().at("texts");
    ASSERT_EQ(cases.size(), texts.size());
    ASSERT_GT(cases.size(), 40u);
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const auto text = from_hex(texts[i]);
        const auto ids = cases[i][0].get<std::vector<std::int32_t>>();
        EXPECT_EQ(tokenizer.encode(text, true), ids) << "case " << i << ": " << texts[i];
        EXPECT_EQ(tokenizer.encode(text, false).size() + cases[i][1].get<std::size_t>(), ids.size())
            << i;
        EXPECT_EQ(tokenizer.decode(ids, true), cases[i][2].get<std::string>()) << i;
    }
}

TEST_P(TokenizerFamily, KnowsItsTokens) {
    const auto tokenizer = tokenizer_of(GetParam());
    EXPECT_TRUE(tokenizer.is_special(tokenizer.id_of("<|end|>")));
    EXPECT_FALSE(tokenizer.is_special(tokenizer.id_of("a")));
    EXPECT_EQ(tokenizer.token_bytes(tokenizer.id_of("<|start|>")), "<|start|>");
    EXPECT_EQ(tokenizer.token_bytes(tokenizer.id_of("\xc4\xa0the")), " the");
    EXPECT_EQ(tokenizer.id_of("no such token"), -1);
    const auto last = static_cast<std::int32_t>(tokenizer.vocabulary()) - 1;
    EXPECT_FALSE(tokenizer.token_bytes(last).empty());
    EXPECT_TRUE(tokenizer.token_bytes(last + 1).empty());
    EXPECT_EQ(tokenizer.decode({last + 1, 2147483647}, false), "");
    EXPECT_ANY_THROW(tokenizer.decode({-1}, false));
}

TEST_P(TokenizerFamily, BytesOfTheTokensJoinToTheText) {
    const auto tokenizer = tokenizer_of(GetParam());
    for (const std::string text :
         {" The quick\r\n brown  fox 1234", " \xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x91\x8d"}) {
        std::string joined;
        for (const auto id : tokenizer.encode(text, false)) joined += tokenizer.token_bytes(id);
        EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, false), false), joined);
        if (GetParam() == "digit_runs") continue;  // it adds spaces before each part
        EXPECT_EQ(joined, text);
    }
}

TEST_P(TokenizerFamily, LongWordsCostLittle) {
    const auto tokenizer = tokenizer_of(GetParam());
    std::string word;
    for (int i = 0; i < 300'000; ++i) word += static_cast<char>('a' + (i * 7 + i / 13) % 26);
    const std::string spaces(300'000, ' ');
    std::string marks = "a";
    for (int i = 0; i < 100'000; ++i) marks += i % 2 ? "\xcc\x81" : "\xcc\xa3";
    for (const auto& text : {word, spaces, marks})
        EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, false), false).empty(), false);
}

std::vector<std::string> family_names() {
    std::vector<std::string> names;
    for (const auto& [name, unused] : golden().at("families").items()) names.push_back(name);
    return names;
}

INSTANTIATE_TEST_SUITE_P(Families, TokenizerFamily, ::testing::ValuesIn(family_names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace hb
