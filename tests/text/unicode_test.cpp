// SPDX-License-Identifier: Apache-2.0
#include "text/unicode.hpp"

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "text/byte_level.hpp"

namespace hb {
namespace {

TEST(Utf8, EveryCodePointRoundTrips) {
    for (char32_t c = 0; c < 0x110000; ++c) {
        if (c >= 0xd800 && c < 0xe000) continue;
        std::string text;
        append_utf8(text, c);
        std::size_t at = 0;
        ASSERT_EQ(next_code_point(text, at), c);
        ASSERT_EQ(at, text.size());
        ASSERT_EQ(replace_invalid_utf8(text), text);
    }
}

TEST(Utf8, ReplacesMaximalBrokenParts) {
    const std::string r = "\xef\xbf\xbd";
    EXPECT_EQ(replace_invalid_utf8("a\xff"
                                   "b"),
              "a" + r + "b");
    EXPECT_EQ(replace_invalid_utf8("\xe2\x82"), r);
    EXPECT_EQ(replace_invalid_utf8("\xf0\x9f\x98z"), r + "z");
    EXPECT_EQ(replace_invalid_utf8("\xed\xa0\x80"), r + r + r);
    EXPECT_EQ(replace_invalid_utf8("\xc0\xaf"), r + r);
    EXPECT_EQ(replace_invalid_utf8("\xf4\x90\x80\x80"), r + r + r + r);
}

TEST(Utf8, RepairIsIdempotentOnRandomBytes) {
    Random random{3};
    for (int round = 0; round < 2000; ++round) {
        std::string bytes;
        for (auto size = random.bits() % 40; size > 0; --size)
            bytes += static_cast<char>(random.bits() >> 20);
        const auto once = replace_invalid_utf8(bytes);
        EXPECT_EQ(replace_invalid_utf8(once), once);
        EXPECT_EQ(to_utf8(to_code_points(once)), once);
    }
}

TEST(Nfc, ComposesAndOrders) {
    EXPECT_EQ(to_nfc("e\xcc\x81"), "\xc3\xa9");
    EXPECT_EQ(to_nfc("a\xcc\x81\xcc\xa3"), "\xe1\xba\xa1\xcc\x81");             // marks reorder
    EXPECT_EQ(to_nfc("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8"), "\xea\xb0\x81");  // Hangul
    EXPECT_EQ(to_nfc("\xe2\x84\xab"), "\xc3\x85");                              // Angstrom sign
    EXPECT_EQ(to_nfc("\xe0\xa5\x98"), "\xe0\xa4\x95\xe0\xa4\xbc");              // excluded
    EXPECT_EQ(to_nfc(std::string_view("a\0e\xcc\x81", 5)), std::string_view("a\0\xc3\xa9", 4));
}

TEST(Nfc, IsIdempotent) {
    Random random{5};
    for (int round = 0; round < 3000; ++round) {
        std::string text = "a";
        for (int i = 0; i < 8; ++i) {
            const auto mark = static_cast<char32_t>(0x300 + random.bits() % 0x70);
            append_utf8(text,
                        random.bits() % 3 ? mark : static_cast<char32_t>(random.bits() % 0xd000));
        }
        const auto once = to_nfc(text);
        EXPECT_EQ(to_nfc(once), once);
    }
}

TEST(ByteLevel, IsABijection) {
    std::string all;
    for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
    EXPECT_EQ(symbols_to_bytes(bytes_to_symbols(all)), all);
    EXPECT_EQ(bytes_to_symbols(" \n"), "\xc4\xa0\xc4\x8a");
    EXPECT_EQ(symbols_to_bytes("a b"), "a b");  // the space is not in the alphabet
}

}  // namespace
}  // namespace hb
