// SPDX-License-Identifier: Apache-2.0
// SmolLM2's own tokenizer.json over WikiText-2, against ids that `tokenizers` made.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "core/error.hpp"
#include "core/file.hpp"
#include "text/tokenizer.hpp"

namespace hb {
namespace {

struct SmolLm2 : ::testing::Test {
    void SetUp() override {
        const char* data = std::getenv("HALFBYTE_DATA");
        if (!data)
            GTEST_SKIP()
                << "HALFBYTE_DATA is not set: SmolLM2's tokenizer and WikiText-2 are missing";
        folder = data;
        const auto path = folder / "../models/smollm2-135m-instruct/tokenizer.json";
        tokenizer = std::make_unique<Tokenizer>(read_file(path), path.string());
    }
    std::filesystem::path folder;
    std::unique_ptr<Tokenizer> tokenizer;
};

TEST_F(SmolLm2, GivesTheIdsOfWikiText2) {
    const auto ids = tokenizer->encode(read_file(folder / "wikitext2/wiki.test.raw"), false);
    const auto bytes = read_file(folder / "wikitext2/smollm2-test-148x2048.i32");
    std::vector<std::int32_t> wanted(bytes.size() / 4);
    std::memcpy(wanted.data(), bytes.data(), bytes.size());
    ASSERT_EQ(wanted.size(), 148u * 2048u);
    ASSERT_GE(ids.size(), wanted.size());
    EXPECT_TRUE(std::equal(wanted.begin(), wanted.end(), ids.begin()));
}

TEST_F(SmolLm2, DecodesWhatItEncoded) {
    const auto text = read_file(folder / "wikitext2/wiki.test.raw");
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, true), false), text);
}

TEST_F(SmolLm2, CutsOutSpecialTokens) {
    const std::vector<std::int32_t> wanted = {1, 9690, 198, 19556, 2, 198};
    EXPECT_EQ(tokenizer->encode("<|im_start|>system\nHello<|im_end|>\n", true), wanted);
    EXPECT_EQ(tokenizer->decode(wanted, true), "system\nHello\n");
    EXPECT_EQ(tokenizer->vocabulary(), 49152);
}

}  // namespace
}  // namespace hb
