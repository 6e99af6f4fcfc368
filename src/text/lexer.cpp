// SPDX-License-Identifier: Apache-2.0
#include "text/lexer.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.hpp"
#include "text/python_text.hpp"
#include "text/unicode.hpp"

namespace hb::jinja {
namespace {

constexpr std::array<std::string_view, 26> kSymbols = {
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
    "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};

bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::string with_unix_newlines(std::string_view source) {
    std::string out;
    for (std::size_t i = 0; i < source.size(); ++i) {
        if (source[i] != '\r') {
            out += source[i];
            continue;
        }
        out += '\n';
        if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
    if (out.ends_with('\n')) out.pop_back();
    return out;
}

struct Lexer {
    std::string source;
    const std::string& where;
    std::vector<Token> tokens = {};
    std::size_t at = 0, counted = 0;
    int line_here = 1;
    bool line_starting = true;

    int line() {
        line_here +=
            static_cast<int>(std::count(source.begin() + static_cast<std::ptrdiff_t>(counted),
                                        source.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
        counted = at;
        return line_here;
    }
    template <class... Args>
    [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
        fail("{}: line {}: {}", where, line(), fmt::format(text, std::forward<Args>(args)...));
    }
    bool starts(std::string_view text) const {
        return std::string_view(source).substr(at).starts_with(text);
    }
    std::string_view rest() const { return std::string_view(source).substr(at); }
    void skip_space() { at += leading_space(rest()); }

    void push(TokenKind kind, std::string text) {
        tokens.push_back({kind, std::move(text), line()});
    }

    // Text up to a tag; `sign` stands behind the tag's opening, `block` is false for {{.
    void push_text(std::size_t first, std::size_t last, char sign, bool block) {
        std::string_view text = std::string_view(source).substr(first, last - first);
        if (sign == '-') {
            text = text.substr(0, without_trailing_space(text));
        } else if (sign != '+' && block) {
            const auto newline = text.rfind('\n');
            const auto start = newline == std::string_view::npos ? 0 : newline + 1;
            const auto blank = text.substr(start);
            if ((start > 0 || line_starting) && !blank.empty() &&
                without_trailing_space(blank) == 0)
                text = text.substr(0, start);
        }
        if (!text.empty()) push(TokenKind::text, std::string(text));
    }
    char take_sign() {
        const char sign =
            at < source.size() && (source[at] == '-' || source[at] == '+') ? source[at] : ' ';
        if (sign != ' ') ++at;
        return sign;
    }
    // Ends a block or a comment: `-` strips what follows, `+` keeps it, else one newline goes.
    bool take_end(std::string_view mark) {
        const auto first = at;
        for (const std::string_view sign : {"", "-", "+"}) {
            if (!starts(std::string(sign) + std::string(mark))) continue;
            at += sign.size() + mark.size();
            if (sign == "-")
                skip_space();
            else if (sign.empty() && starts("\n"))
                ++at;
            line_starting = at > first && source[at - 1] == '\n';
            return true;
        }
        return false;
    }

    void run() {
        while (at < source.size()) {
            const auto first = at;
            auto tag = source.find('{', at);
            while (tag != std::string::npos &&
                   (tag + 1 >= source.size() ||
                    std::string_view("{%#").find(source[tag + 1]) == std::string_view::npos))
                tag = source.find('{', tag + 1);
            if (tag == std::string::npos) {
                push(TokenKind::text, source.substr(first));
                at = source.size();
                break;
            }
            at = tag + 2;
            const char sign = take_sign();
            const char kind = source[tag + 1];
            const auto behind = std::exchange(at, first);
            push_text(first, tag, sign, kind != '{');
            at = behind;
            if (kind == '#')
                comment();
            else if (kind == '{')
                print();
            else
                block();
        }
        push(TokenKind::end, "end of the template");
    }

    void comment() {
        const auto first = at;
        const auto close = source.find("#}", at);
        if (close == std::string::npos) refuse("a comment '{{#' without '#}}'");
        const bool has_sign =
            close > first && (source[close - 1] == '-' || source[close - 1] == '+');
        at = has_sign ? close - 1 : close;
        take_end("#}");
    }

    void print() {
        push(TokenKind::print_begin, "{{");
        inside("}}");
        push(TokenKind::print_end, "}}");
    }

    void block() {
        const auto first = at;
        skip_space();
        if (starts("raw")) {
            at += 3;
            skip_space();
            if (starts("-%}") || starts("%}")) return raw();
        }
        at = first;
        push(TokenKind::block_begin, "{%");
        inside("%}");
        push(TokenKind::block_end, "%}");
    }

    void raw() {
        const bool strip = starts("-");
        at += strip ? 3 : 2;
        if (strip) skip_space();
        line_starting = strip && source[at - 1] == '\n';
        const auto first = at;
        for (auto tag = source.find("{%", at); tag != std::string::npos;
             tag = source.find("{%", tag + 1)) {
            at = tag + 2;
            const char sign = take_sign();
            skip_space();
            if (!starts("endraw")) continue;
            at += 6;
            skip_space();
            const auto before_end = at;
            if (!starts("%}") && !starts("-%}") && !starts("+%}")) continue;
            at = first;
            push_text(first, tag, sign, true);
            at = before_end;
            take_end("%}");
            return;
        }
        at = first;
        refuse("'raw' without 'endraw'");
    }

    // Tokens up to the end mark, which does not count inside brackets.
    void inside(std::string_view mark) {
        std::string open;
        while (true) {
            skip_space();
            if (at >= source.size()) refuse("the tag is not closed with '{}'", mark);
            if (open.empty() && mark == "%}" && take_end(mark)) return;
            if (open.empty() && mark == "}}" && (starts("-}}") || starts("}}"))) {
                const bool strip = starts("-");
                at += strip ? 3 : 2;
                if (strip) skip_space();
                line_starting = strip && source[at - 1] == '\n';
                return;
            }
            token(open);
        }
    }

    void token(std::string& open) {
        const char c = source[at];
        if (c == '\'' || c == '"') return string_token();
        if (is_digit(c)) return number();
        if (is_name_start(c)) {
            auto last = at;
            while (last < source.size() && (is_name_start(source[last]) || is_digit(source[last])))
                ++last;
            push(TokenKind::name, source.substr(at, last - at));
            at = last;
            return;
        }
        for (const auto symbol : kSymbols) {
            if (!starts(symbol)) continue;
            if (symbol == "(" || symbol == "[" || symbol == "{")
                open += symbol == "(" ? ')' : symbol == "[" ? ']' : '}';
            if (symbol == ")" || symbol == "]" || symbol == "}") {
                if (open.empty() || open.back() != symbol[0]) refuse("unexpected '{}'", symbol);
                open.pop_back();
            }
            push(TokenKind::symbol, std::string(symbol));
            at += symbol.size();
            return;
        }
        refuse("unexpected character '{}'", source.substr(at, 1));
    }

    void string_token() {
        const char quote = source[at];
        auto last = at + 1;
        while (last < source.size() && source[last] != quote) last += source[last] == '\\' ? 2 : 1;
        if (last >= source.size()) refuse("a string without its closing quote");
        const auto body = std::string_view(source).substr(at + 1, last - at - 1);
        std::string value;
        try {
            value = unescape(body);
        } catch (const Error& error) {
            refuse("{}", error.what());
        }
        push(TokenKind::string, std::move(value));
        at = last + 1;
    }

    void number() {
        const bool behind_dot = !tokens.empty() && at > 0 && source[at - 1] == '.';
        const auto literal = read_number(rest(), !behind_dot);
        if (literal.size == 0) refuse("the number '{}' is not supported", source.substr(at, 24));
        push(literal.is_real ? TokenKind::real : TokenKind::integer,
             source.substr(at, literal.size));
        tokens.back().integer = literal.integer;
        tokens.back().real = literal.real;
        at += literal.size;
    }
};

}  // namespace

std::vector<Token> tokenize(std::string_view source, const std::string& where) {
    if (source.size() > kLargestTemplate)
        fail("{}: a template of {} bytes; wanted at most {}", where, source.size(),
             kLargestTemplate);
    Lexer lexer{with_unix_newlines(replace_invalid_utf8(source)), where};
    lexer.run();
    return std::move(lexer.tokens);
}

}  // namespace hb::jinja
