// SPDX-License-Identifier: Apache-2.0
#include "cli/text_stream.hpp"

#include <algorithm>

namespace hb {
namespace {

struct Lead {
    std::size_t size;               // 0: cannot begin a character
    unsigned char lowest, highest;  // of the second byte
};

Lead lead_of(unsigned char b) {
    if (b < 0x80) return {1, 0, 0};
    if (b < 0xc2) return {0, 0, 0};
    if (b < 0xe0) return {2, 0x80, 0xbf};
    if (b == 0xe0) return {3, 0xa0, 0xbf};
    if (b == 0xed) return {3, 0x80, 0x9f};
    if (b < 0xf0) return {3, 0x80, 0xbf};
    if (b == 0xf0) return {4, 0x90, 0xbf};
    if (b < 0xf4) return {4, 0x80, 0xbf};
    if (b == 0xf4) return {4, 0x80, 0x8f};
    return {0, 0, 0};
}

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

}  // namespace

std::string take_utf8(std::string& bytes, bool all) {
    std::string text;
    std::size_t i = 0;
    while (i < bytes.size()) {
        const Lead lead = lead_of(static_cast<unsigned char>(bytes[i]));
        std::size_t good = 1;
        for (; good < lead.size && i + good < bytes.size(); ++good) {
            const auto b = static_cast<unsigned char>(bytes[i + good]);
            if (b < (good == 1 ? lead.lowest : 0x80) || b > (good == 1 ? lead.highest : 0xbf))
                break;
        }
        if (good < lead.size && i + good == bytes.size() && !all) break;
        text += good == lead.size ? std::string_view(bytes).substr(i, good) : kReplacement;
        i += good;
    }
    bytes.erase(0, i);
    return text;
}

std::string TextStream::feed(std::string_view bytes) {
    if (stopped_) return {};
    bytes_ += bytes;
    text_ += take_utf8(bytes_, false);
    return release(false);
}

std::string TextStream::finish() {
    if (stopped_) return {};
    text_ += take_utf8(bytes_, true);
    return release(true);
}

std::string TextStream::release(bool all) {
    std::size_t first = std::string::npos;
    for (const std::string& stop : stops_)
        if (!stop.empty()) first = std::min(first, text_.find(stop));
    if (first != std::string::npos) {
        stopped_ = true;
        return text_.substr(0, first);
    }
    std::size_t held = 0;  // the longest end of the text that begins a stop string
    for (const std::string& stop : stops_) {
        std::size_t n = stop.empty() ? 0 : std::min(stop.size() - 1, text_.size());
        while (n > held && !text_.ends_with(std::string_view(stop).substr(0, n))) --n;
        held = std::max(held, n);
    }
    std::string shown = text_.substr(0, all ? text_.size() : text_.size() - held);
    text_.erase(0, shown.size());
    return shown;
}

}  // namespace hb
