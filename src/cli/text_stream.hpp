// SPDX-License-Identifier: Apache-2.0
// Text that leaves as soon as it is certain. Tokens are pieces of bytes: half a character waits for
// its other half, and text that may turn out to be the beginning of a stop string waits until it is
// not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hb {

class TextStream {
public:
    explicit TextStream(std::vector<std::string> stops) : stops_(std::move(stops)) {}

    std::string feed(std::string_view bytes);  // what can be shown now
    std::string finish();  // what was held back; half a character becomes U+FFFD
    bool stopped() const { return stopped_; }  // a stop string came; it and what follows is dropped

private:
    std::string release(bool all);

    std::vector<std::string> stops_;
    std::string bytes_, text_;  // bytes not yet whole characters; characters not yet shown
    bool stopped_ = false;
};

// Moves whole characters from the front of `bytes` into the result. Bytes that no character can
// begin or go on with become U+FFFD, one for each maximal part; a beginning that may go on stays,
// unless `all`.
std::string take_utf8(std::string& bytes, bool all);

}  // namespace hb
