// SPDX-License-Identifier: Apache-2.0
#include "text/python_text.hpp"

#include <utf8proc.h>

#include <algorithm>

#include "core/error.hpp"
#include "text/unicode.hpp"

namespace hb::jinja {
namespace {

// Characters that Unicode's SpecialCasing.txt maps to several, or by context.
bool has_special_case(char32_t c) {
    return c == 0xdf || c == 0x130 || c == 0x149 || c == 0x1f0 || c == 0x390 || c == 0x3a3 ||
           c == 0x3b0 || c == 0x587 || (c >= 0x1e96 && c <= 0x1e9a) || c == 0x1e9e ||
           (c >= 0x1f50 && c <= 0x1f56) || (c >= 0x1f80 && c <= 0x1fff) ||
           (c >= 0xfb00 && c <= 0xfb17);
}

template <class Map>
std::string map_case(std::string_view text, Map map) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const char32_t c = next_code_point(text, at);
        if (has_special_case(c))
            fail("the case of U+{:04X} is not supported", static_cast<std::uint32_t>(c));
        append_utf8(out, static_cast<char32_t>(map(static_cast<utf8proc_int32_t>(c))));
    }
    return out;
}

std::size_t first_character(std::string_view text) {
    std::size_t at = 0;
    if (!text.empty()) next_code_point(text, at);
    return at;
}

// Where the last character of `text` starts.
std::size_t last_character(std::string_view text) {
    auto at = text.size() - 1;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
    return at;
}

std::vector<std::string> split_at_space(std::string_view text, std::int64_t most) {
    std::vector<std::string> out;
    text.remove_prefix(leading_space(text));
    while (!text.empty()) {
        if (most >= 0 && static_cast<std::int64_t>(out.size()) >= most) {
            out.emplace_back(text.substr(0, without_trailing_space(text)));
            break;
        }
        std::size_t last = 0;
        for (std::size_t at = 0; at < text.size(); last = at)
            if (is_python_space(next_code_point(text, at))) break;
        out.emplace_back(text.substr(0, last));
        text.remove_prefix(last);
        text.remove_prefix(leading_space(text));
    }
    return out;
}

}  // namespace

bool is_python_space(char32_t c) {
    return is_white_space(c) || (c >= 0x1c && c <= 0x1f);
}

std::size_t leading_space(std::string_view text) {
    std::size_t end = 0;
    for (std::size_t at = 0; at < text.size(); end = at)
        if (!is_python_space(next_code_point(text, at))) break;
    return end;
}

std::size_t without_trailing_space(std::string_view text) {
    while (!text.empty()) {
        const auto start = last_character(text);
        auto at = start;
        if (!is_python_space(next_code_point(text, at))) break;
        text = text.substr(0, start);
    }
    return text.size();
}

std::string strip(const std::string& text, const std::string* characters, bool left, bool right) {
    std::string_view rest = text;
    if (!characters) {
        if (left) rest.remove_prefix(leading_space(rest));
        if (right) rest = rest.substr(0, without_trailing_space(rest));
        return std::string(rest);
    }
    const auto in_set = [set = to_code_points(*characters)](std::string_view one) {
        std::size_t at = 0;
        return set.find(next_code_point(one, at)) != std::u32string::npos;
    };
    while (left && !rest.empty() && in_set(rest)) rest.remove_prefix(first_character(rest));
    while (right && !rest.empty() && in_set(rest.substr(last_character(rest))))
        rest = rest.substr(0, last_character(rest));
    return std::string(rest);
}

std::vector<std::string> split(const std::string& text, const std::string* separator,
                               std::int64_t most) {
    if (!separator) return split_at_space(text, most);
    if (separator->empty()) fail("split wants a separator that is not empty");
    std::vector<std::string> out;
    std::size_t at = 0;
    while (most < 0 || static_cast<std::int64_t>(out.size()) < most) {
        const auto found = text.find(*separator, at);
        if (found == std::string::npos) break;
        out.push_back(text.substr(at, found - at));
        at = found + separator->size();
    }
    out.push_back(text.substr(at));
    return out;
}

std::vector<std::string> split_from_right(const std::string& text, const std::string* separator,
                                          std::int64_t most) {
    if (most < 0) return split(text, separator, -1);
    if (!separator) fail("rsplit at white space with a limit is not supported");
    if (separator->empty()) fail("rsplit wants a separator that is not empty");
    std::vector<std::string> out;
    auto rest = text;
    while (static_cast<std::int64_t>(out.size()) < most) {
        const auto found = rest.rfind(*separator);
        if (found == std::string::npos) break;
        out.push_back(rest.substr(found + separator->size()));
        rest.resize(found);
    }
    out.push_back(std::move(rest));
    std::reverse(out.begin(), out.end());
    return out;
}

std::vector<std::string> split_lines(const std::string& text) {
    std::vector<std::string> out;
    std::size_t first = 0;
    for (std::size_t at = 0; at < text.size();) {
        const auto here = at;
        const char32_t c = next_code_point(text, at);
        const bool ends = (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 ||
                          c == 0x2028 || c == 0x2029;
        if (!ends) continue;
        out.push_back(text.substr(first, here - first));
        if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
        first = at;
    }
    if (first < text.size()) out.push_back(text.substr(first));
    return out;
}

std::string replace(const std::string& text, const std::string& from, const std::string& to,
                    std::int64_t most) {
    std::string out;
    std::size_t at = 0;
    for (std::int64_t done = 0; most < 0 || done < most; ++done) {
        auto found = text.find(from, at);
        if (from.empty()) found = at;
        if (found == std::string::npos) break;
        if (out.size() + to.size() > 16 * 1024 * 1024)
            fail("replace makes a string larger than 16 MiB");
        out.append(text, at, found - at).append(to);
        at = found + from.size();
        if (!from.empty()) continue;
        if (at == text.size()) break;
        const auto step = first_character(std::string_view(text).substr(at));
        out.append(text, at, step);
        at += step;
    }
    return out.append(text, at);
}

std::string upper(const std::string& text) {
    return map_case(text, utf8proc_toupper);
}
std::string lower(const std::string& text) {
    return map_case(text, utf8proc_tolower);
}

std::string capitalize(const std::string& text) {
    const auto first = first_character(text);
    return map_case(std::string_view(text).substr(0, first), utf8proc_totitle) +
           lower(text.substr(first));
}

std::string title(const std::string& text) {
    std::string out;
    bool inside = false;
    for (const char c : text) {
        if (static_cast<unsigned char>(c) >= 0x80)
            fail("title() of text beyond ASCII is not supported");
        const bool is_lower = c >= 'a' && c <= 'z', is_upper = c >= 'A' && c <= 'Z';
        if (is_lower && !inside)
            out += static_cast<char>(c - 32);
        else if (is_upper && inside)
            out += static_cast<char>(c + 32);
        else
            out += c;
        inside = is_lower || is_upper;
    }
    return out;
}

std::string title_words(const std::string& text) {
    std::string out, word;
    const auto flush = [&] {
        const auto first = first_character(word);
        out += upper(word.substr(0, first)) + lower(word.substr(first));
        word.clear();
    };
    for (std::size_t at = 0; at < text.size();) {
        const char32_t c = next_code_point(text, at);
        const bool border = is_python_space(c) ||
                            (c < 0x80 && std::string_view("-({[<").find(static_cast<char>(c)) !=
                                             std::string_view::npos);
        if (border) flush();
        append_utf8(border ? out : word, c);
    }
    flush();
    return out;
}

std::size_t count(const std::string& text, const std::string& part) {
    if (part.empty()) return to_code_points(text).size() + 1;
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
        ++found;
    return found;
}

std::int64_t find(const std::string& text, const std::string& part, bool last) {
    const auto at = last ? text.rfind(part) : text.find(part);
    if (at == std::string::npos) return -1;
    return static_cast<std::int64_t>(to_code_points(std::string_view(text).substr(0, at)).size());
}

}  // namespace hb::jinja
