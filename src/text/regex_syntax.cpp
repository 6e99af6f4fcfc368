// SPDX-License-Identifier: Apache-2.0
// A walk over the pattern that copies what both engines read alike.
#include <algorithm>

#include "core/error.hpp"
#include "text/recent_characters.hpp"
#include "text/regex.hpp"

namespace hb {
namespace {

struct Translator {
    std::string_view pattern;
    const std::string& where;
    std::string out = {};
    std::size_t at = 0;
    bool in_class = false;
    std::size_t depth = 0, caseless_depth = 0;  // caseless_depth: 0, or the depth of the (?i: group

    [[noreturn]] void refuse(std::string_view what) const {
        fail(
            "{}: the regex construct '{}' at byte {} is not supported; wanted literals, [...], "
            "\\p{{category}}, "
            "\\s \\d, groups, lookaround and quantifiers",
            where, what, at);
    }
    bool starts(std::string_view text) const { return pattern.substr(at).starts_with(text); }
    void copy(std::size_t count) {
        out += pattern.substr(at, count);
        at += count;
    }

    // \p{L} with the letters that PCRE2 may not know: [\p{L}\x{1c89}-\x{1c8a}...]
    void property(std::string_view name, bool negated, std::size_t size) {
        const auto recent = recent_characters(name);
        if (!recent || (in_class && negated && !recent->empty())) refuse(pattern.substr(at, size));
        std::string members = fmt::format("\\p{{{}}}", name);
        for (const auto [first, last] : *recent)
            members += fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", static_cast<std::uint32_t>(first),
                                   static_cast<std::uint32_t>(last));
        if (in_class)
            out += negated ? fmt::format("\\P{{{}}}", name) : members;
        else
            out += fmt::format("[{}{}]", negated ? "^" : "", members);
        at += size;
    }

    void named_property() {
        const auto close = pattern.find('}', at);
        if (pattern.substr(at + 2, 1) != "{" || close == std::string_view::npos)
            refuse(pattern.substr(at, 2));
        property(pattern.substr(at + 3, close - at - 3), pattern[at + 1] == 'P', close + 1 - at);
    }

    void white_space(std::string_view spelled) {
        out += spelled;
        at += 2;
    }

    void escape() {
        if (at + 1 >= pattern.size() || caseless_depth) refuse(pattern.substr(at, 2));
        switch (pattern[at + 1]) {
            case 's':
                return white_space("\\p{White_Space}");
            case 'S':
                return white_space("\\P{White_Space}");
            case 'd':
                return property("Nd", false, 2);
            case 'D':
                return property("Nd", true, 2);
            case 'p':
            case 'P':
                return named_property();
            case 'r':
            case 'n':
            case 't':
                return copy(2);
            default:
                if (std::string_view("\\.^$|?*+()[]{}-/'\"#&~<>=!,:;@%_` ").find(pattern[at + 1]) ==
                    std::string_view::npos)
                    refuse(pattern.substr(at, 2));
                copy(2);
        }
    }

    void open_group() {
        ++depth;
        if (!starts("(?")) return copy(1);
        for (const std::string_view kind : {"(?:", "(?!", "(?=", "(?>", "(?<!", "(?<=", "(?i:"}) {
            if (!starts(kind)) continue;
            if (kind == "(?i:" && !caseless_depth) caseless_depth = depth;
            return copy(kind.size());
        }
        refuse(pattern.substr(at, 3));
    }

    void close_group() {
        if (depth == 0) refuse(")");
        if (depth-- == caseless_depth) caseless_depth = 0;
        copy(1);
    }

    void count() {  // {n}, {n,}, {n,m}
        std::size_t i = at + 1;
        const auto digits = [&] {
            const auto first = i;
            while (i < pattern.size() && pattern[i] >= '0' && pattern[i] <= '9') ++i;
            return i > first && i - first <= 3;
        };
        bool good = digits();
        if (good && i < pattern.size() && pattern[i] == ',') {
            ++i;
            if (i < pattern.size() && pattern[i] != '}') good = digits();
        }
        good = good && i < pattern.size() && pattern[i] == '}';
        const auto size = std::min(i + 1, pattern.size()) - at;
        if (!good || pattern.substr(i + 1).starts_with('+')) refuse(pattern.substr(at, size));
        copy(size);
    }

    void class_step() {
        const char c = pattern[at];
        if (c == '[' || starts("&&")) refuse(pattern.substr(at, 2));
        if (c == '\\') return escape();
        if (c == ']') in_class = false;
        copy(1);
    }

    void step() {
        if (in_class) return class_step();
        const char c = pattern[at];
        if (caseless_depth)
            for (const std::string_view ligature : {"ss", "st", "ff", "fi", "fl"})
                if (starts(ligature)) refuse(ligature);
        switch (c) {
            case '\\':
                return escape();
            case '(':
                return open_group();
            case ')':
                return close_group();
            case '{':
                return count();
            case '.':
            case '^':
            case '$':
            case ']':
            case '}':
                refuse(pattern.substr(at, 1));
            case '[':
                if (caseless_depth || starts("[]") || starts("[^]")) refuse(pattern.substr(at, 2));
                in_class = true;
                return copy(starts("[^") ? 2 : 1);
            default:
                if (caseless_depth && static_cast<unsigned char>(c) >= 0x80)
                    refuse("(?i: beyond ASCII");
                copy(1);
        }
    }
};

}  // namespace

std::string oniguruma_to_pcre2(std::string_view pattern, const std::string& where) {
    if (pattern.size() > 4096)
        fail("{}: a regex of {} bytes; wanted at most 4096", where, pattern.size());
    Translator translator{pattern, where};
    while (translator.at < pattern.size()) translator.step();
    return translator.out;
}

}  // namespace hb
