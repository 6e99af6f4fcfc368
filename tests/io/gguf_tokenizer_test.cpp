// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "io/checkpoint.hpp"
#include "io/make_gguf.hpp"
#include "io/temporary_folder.hpp"

namespace hb {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

GgufBuilder with_vocabulary(const std::string& pre) {
    auto b = tiny_keys();
    tiny_tensors(b);
    b.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", pre);
    b.texts("tokenizer.ggml.tokens",
            {"<unk>", "<s>", "</s>", "a", "b", "ab", "\xc4\xa0", "<tool>"});
    b.wholes("tokenizer.ggml.token_type", {3, 3, 3, 1, 1, 1, 1, 4});
    b.texts("tokenizer.ggml.merges", {"a b", "\xc4\xa0 a"});
    return b;
}

struct Opened {
    explicit Opened(const GgufBuilder& b)
        : model(Checkpoint::open(folder.put("x.gguf", b.build()))) {}
    Json json(const char* name) const { return Json::parse(*model.asset(name)); }
    TemporaryFolder folder;
    Checkpoint model;
};

TEST(GgufTokenizer, HasTheVocabularyMergesAndAddedTokens) {
    const auto json = Opened(with_vocabulary("smollm")).json("tokenizer.json");
    EXPECT_EQ(json["model"]["vocab"]["ab"], 5);
    EXPECT_EQ(json["model"]["vocab"].size(), 8u);
    EXPECT_EQ(json["model"]["merges"][1], (Json{"\xc4\xa0", "a"}));
    EXPECT_EQ(json["model"]["ignore_merges"], false);
    ASSERT_EQ(json["added_tokens"].size(), 4u);
    EXPECT_EQ(json["added_tokens"][1]["content"], "<s>");
    EXPECT_EQ(json["added_tokens"][1]["special"], true);
    EXPECT_EQ(json["added_tokens"][3]["id"], 7);
    EXPECT_EQ(json["added_tokens"][3]["special"], false);
    EXPECT_EQ(json["pre_tokenizer"]["pretokenizers"][0]["type"], "Digits");
    EXPECT_EQ(json["pre_tokenizer"]["pretokenizers"][1]["use_regex"], true);
    EXPECT_TRUE(json["normalizer"].is_null());
    EXPECT_TRUE(json["post_processor"].is_null());
}

TEST(GgufTokenizer, EachPreTokenizerIsItsOwn) {
    const auto qwen = Opened(with_vocabulary("qwen2")).json("tokenizer.json");
    EXPECT_EQ(qwen["normalizer"]["type"], "NFC");
    const auto regex =
        qwen["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"].get<std::string>();
    EXPECT_THAT(regex, HasSubstr("|\\p{N}|"));
    const auto llama = Opened(with_vocabulary("llama-bpe")).json("tokenizer.json");
    EXPECT_THAT(llama["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"].get<std::string>(),
                HasSubstr("|\\p{N}{1,3}|"));
    EXPECT_EQ(llama["model"]["ignore_merges"], true);
    EXPECT_EQ(llama["post_processor"]["single"][0]["SpecialToken"]["id"], "<s>");
    EXPECT_EQ(llama["post_processor"]["special_tokens"]["<s>"]["ids"][0], 1);
    const auto none =
        Opened(with_vocabulary("llama-bpe").flag("tokenizer.ggml.add_bos_token", false))
            .json("tokenizer.json");
    EXPECT_TRUE(none["post_processor"].is_null());
}

TEST(GgufTokenizer, ConfigNamesItsSpecialTokensAndTemplate) {
    const Opened opened(with_vocabulary("smollm").text("tokenizer.chat_template", "{{ x }}\n"));
    const auto json = opened.json("tokenizer_config.json");
    EXPECT_EQ(json["bos_token"], "<s>");
    EXPECT_EQ(json["eos_token"], "</s>");
    EXPECT_EQ(json["chat_template"], "{{ x }}\n");
    EXPECT_EQ(opened.json("generation_config.json")["eos_token_id"], 2);
}

TEST(GgufTokenizer, WhatIsNotKnownIsRefused) {
    const auto refuses = [](const GgufBuilder& b, const char* asset, const char* message) {
        const Opened opened(b);
        EXPECT_THAT([&] { opened.model.asset(asset); }, ThrowsMessage<Error>(HasSubstr(message)));
    };
    const auto without = [](const char* model, std::vector<std::string> tokens,
                            std::vector<std::int32_t> types, std::vector<std::string> merges) {
        auto b = tiny_keys();
        tiny_tensors(b);
        b.text("tokenizer.ggml.model", model).text("tokenizer.ggml.pre", "smollm");
        b.texts("tokenizer.ggml.tokens", tokens).wholes("tokenizer.ggml.token_type", types);
        b.texts("tokenizer.ggml.merges", merges);
        return b;
    };
    refuses(with_vocabulary("falcon"), "tokenizer.json", "'falcon' is not supported");
    refuses(without("llama", {"a"}, {1}, {}), "tokenizer.json", "'llama' is not supported");
    refuses(without("gpt2", {"a", "a"}, {1, 1}, {}), "tokenizer.json", "occurs twice");
    refuses(without("gpt2", {"a", "b"}, {1}, {}), "tokenizer.json", "2 tokens but 1");
    refuses(without("gpt2", {"\xff"}, {1}, {}), "tokenizer.json", "not UTF-8");
    refuses(without("gpt2", {"a"}, {1}, {"ab"}), "tokenizer.json", "not a pair");
    refuses(without("gpt2", {"a"}, {1}, {}), "tokenizer_config.json", "outside the vocabulary");
    refuses(with_vocabulary("smollm").flag("tokenizer.ggml.add_eos_token", true), "tokenizer.json",
            "add_eos_token");
    refuses(with_vocabulary("smollm").text("tokenizer.chat_template", "\xff"),
            "tokenizer_config.json", "not UTF-8");
}

}  // namespace
}  // namespace hb
