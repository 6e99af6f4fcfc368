// SPDX-License-Identifier: Apache-2.0
#include "text/unicode.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/error.hpp"
#include "text/recent_characters.hpp"

namespace hb {
namespace {

// Length of the well-formed sequence at p, or minus the length of the broken part there.
int sequence_at(const unsigned char* p, const unsigned char* end) {
    const unsigned char lead = p[0];
    if (lead < 0x80) return 1;
    if (lead < 0xc2 || lead > 0xf4) return -1;
    const int length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    unsigned char low = 0x80, high = 0xbf;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
    for (int i = 1; i < length; ++i) {
        if (p + i >= end || p[i] < low || p[i] > high) return -i;
        low = 0x80, high = 0xbf;
    }
    return length;
}

utf8proc_category_t category(char32_t c) {
    return static_cast<utf8proc_category_t>(
        utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->category);
}

void append_decomposed(std::u32string& out, char32_t c) {
    std::array<utf8proc_int32_t, 64> parts;
    int boundary = 0;
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(),
                                               parts.size(), UTF8PROC_DECOMPOSE, &boundary);
    if (count < 0 || count > static_cast<utf8proc_ssize_t>(parts.size()))
        fail("utf8proc cannot decompose U+{:04X}", static_cast<std::uint32_t>(c));
    for (utf8proc_ssize_t i = 0; i < count; ++i)
        out += static_cast<char32_t>(parts[static_cast<std::size_t>(i)]);
}

int combining_class(char32_t c) {
    return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

void order_marks(std::u32string& points) {
    for (auto first = points.begin(); first != points.end();) {
        if (combining_class(*first) == 0) {
            ++first;
            continue;
        }
        const auto last =
            std::find_if(first, points.end(), [](char32_t c) { return combining_class(c) == 0; });
        std::stable_sort(first, last, [](char32_t a, char32_t b) {
            return combining_class(a) < combining_class(b);
        });
        first = last;
    }
}

bool is_inert(char32_t c) {
    return c >= 0x7fd && (contains(inert_characters(), c) || contains(*recent_characters("L"), c) ||
                          contains(*recent_characters("M"), c));
}

void append_composed(std::string& out, std::u32string& points) {
    order_marks(points);
    std::vector<utf8proc_int32_t> buffer(points.begin(), points.end());
    const auto count = utf8proc_normalize_utf32(
        buffer.data(), static_cast<utf8proc_ssize_t>(buffer.size()),
        static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
    if (count < 0) fail("utf8proc cannot normalize a text: {}", utf8proc_errmsg(count));
    for (utf8proc_ssize_t i = 0; i < count; ++i)
        append_utf8(out, static_cast<char32_t>(buffer[static_cast<std::size_t>(i)]));
}

}  // namespace

std::string replace_invalid_utf8(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
    const auto* end = p + bytes.size();
    while (p < end) {
        const int length = sequence_at(p, end);
        if (length > 0)
            out.append(reinterpret_cast<const char*>(p), static_cast<std::size_t>(length));
        else
            out += "\xef\xbf\xbd";
        p += std::abs(length);
    }
    return out;
}

std::string to_nfc(std::string_view text) {
    const auto below_u300 = [](char c) { return static_cast<unsigned char>(c) < 0xcc; };
    if (std::all_of(text.begin(), text.end(), below_u300)) return std::string(text);
    std::string out;
    out.reserve(text.size());
    std::u32string points;
    for (std::size_t at = 0; at < text.size();) {
        const char32_t c = next_code_point(text, at);
        if (!is_inert(c)) {
            append_decomposed(points, c);
            continue;
        }
        append_composed(out, points);
        append_utf8(out, c);
        points.clear();
    }
    append_composed(out, points);
    return out;
}

void append_utf8(std::string& out, char32_t c) {
    const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (c < 0x80) return put(c);
    if (c < 0x800) return put(0xc0 | c >> 6), put(0x80 | (c & 63));
    if (c < 0x10000) return put(0xe0 | c >> 12), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
    put(0xf0 | c >> 18), put(0x80 | (c >> 12 & 63)), put(0x80 | (c >> 6 & 63)),
        put(0x80 | (c & 63));
}

char32_t next_code_point(std::string_view text, std::size_t& at) {
    const auto byte = [&text](std::size_t i) {
        return static_cast<char32_t>(static_cast<unsigned char>(text[i]));
    };
    const char32_t lead = byte(at++);
    if (lead < 0x80) return lead;
    const int more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    char32_t c = lead & (0x3fu >> more);
    for (int i = 0; i < more; ++i) c = c << 6 | (byte(at++) & 63);
    return c;
}

std::u32string to_code_points(std::string_view text) {
    std::u32string points;
    points.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) points += next_code_point(text, at);
    return points;
}

std::string to_utf8(std::u32string_view points) {
    std::string out;
    out.reserve(points.size());
    for (const char32_t c : points) append_utf8(out, c);
    return out;
}

bool is_white_space(char32_t c) {
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

bool is_word_character(char32_t c) {
    for (const char* name : {"L", "M", "Nd"})
        if (contains(*recent_characters(name), c)) return true;
    switch (category(c)) {
        case UTF8PROC_CATEGORY_LU:
        case UTF8PROC_CATEGORY_LL:
        case UTF8PROC_CATEGORY_LT:
        case UTF8PROC_CATEGORY_LM:
        case UTF8PROC_CATEGORY_LO:
        case UTF8PROC_CATEGORY_MN:
        case UTF8PROC_CATEGORY_MC:
        case UTF8PROC_CATEGORY_ME:
        case UTF8PROC_CATEGORY_ND:
        case UTF8PROC_CATEGORY_NL:
        case UTF8PROC_CATEGORY_PC:
            return true;
        default:
            return c == 0x200c || c == 0x200d || (c >= 0x24b6 && c <= 0x24e9) ||
                   (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
                   (c >= 0x1f170 && c <= 0x1f189);  // circled and squared letters are alphabetic
    }
}

bool is_numeric(char32_t c) {
    if (c < 0x80) return c >= '0' && c <= '9';
    const auto kind = category(c);
    if (contains(recent_numeric_characters(), c)) return true;
    return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL ||
           kind == UTF8PROC_CATEGORY_NO;
}

}  // namespace hb
