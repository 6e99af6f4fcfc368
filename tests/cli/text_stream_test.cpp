// SPDX-License-Identifier: Apache-2.0
// Laws of the stream: the pieces add up to the text before the first stop string, whatever the
// cuts, and what was shown is always whole characters.
#include "cli/text_stream.hpp"

#include <gtest/gtest.h>

namespace hb {
namespace {

const std::string kText = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 stop ST STOPPED\n end";

bool whole(std::string text) {
    return take_utf8(text, false).find("\xef\xbf\xbd") == std::string::npos && text.empty();
}

TEST(TextStream, EveryCutGivesTheSameText) {
    for (std::size_t cut = 1; cut <= kText.size(); ++cut) {
        TextStream stream({});
        std::string shown;
        for (std::size_t i = 0; i < kText.size(); i += cut) {
            const std::string piece = stream.feed(std::string_view(kText).substr(i, cut));
            EXPECT_TRUE(whole(piece)) << cut;
            shown += piece;
        }
        EXPECT_EQ(shown + stream.finish(), kText) << cut;
    }
}

TEST(TextStream, AStopStringIsNeverShownWhateverTheCut) {
    for (const std::string stop : {"STOP", "\xf0\x9f\x98\x80", "stop ST STO", "\n end", "d"}) {
        const std::string wanted = kText.substr(0, kText.find(stop));
        for (std::size_t cut = 1; cut <= kText.size(); ++cut) {
            TextStream stream({"absent", stop});
            std::string shown;
            for (std::size_t i = 0; i < kText.size(); i += cut)
                shown += stream.feed(std::string_view(kText).substr(i, cut));
            shown += stream.finish();
            EXPECT_TRUE(stream.stopped());
            EXPECT_EQ(shown, wanted) << stop << ", cut " << cut;
        }
    }
}

TEST(TextStream, TheEarliestOfSeveralStopsWins) {
    TextStream stream({"cd", "bc"});
    EXPECT_EQ(stream.feed("abcd") + stream.finish(), "a");
}

TEST(TextStream, ABeginningOfAStopIsShownAtTheEnd) {
    TextStream stream({"stop"});
    EXPECT_EQ(stream.feed("sto"), "");
    EXPECT_FALSE(stream.stopped());
    EXPECT_EQ(stream.finish(), "sto");
}

TEST(TextStream, AnEmptyStopStringStopsNothing) {
    TextStream stream({""});
    EXPECT_EQ(stream.feed("text"), "text");
    EXPECT_FALSE(stream.stopped());
}

TEST(TakeUtf8, ReplacesWhatCannotBeACharacter) {
    const std::pair<std::string, std::string> cases[] = {
        {"\xff", "\xef\xbf\xbd"},
        {"\x80x", "\xef\xbf\xbdx"},
        {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},                  // overlong
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},  // surrogate
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe2\x82x", "\xef\xbf\xbdx"},  // one for the maximal part
    };
    for (auto [bytes, wanted] : cases) {
        EXPECT_EQ(take_utf8(bytes, false), wanted);
        EXPECT_TRUE(bytes.empty());
    }
}

TEST(TakeUtf8, ABeginningWaitsUnlessItIsTheEnd) {
    std::string bytes = "a\xe2\x82";
    EXPECT_EQ(take_utf8(bytes, false), "a");
    EXPECT_EQ(bytes, "\xe2\x82");
    EXPECT_EQ(take_utf8(bytes, true), "\xef\xbf\xbd");
}

}  // namespace
}  // namespace hb
