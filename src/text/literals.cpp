// SPDX-License-Identifier: Apache-2.0
// String and number literals, and int() and float() of a string.
#include <charconv>
#include <cmath>

#include "core/error.hpp"
#include "text/python_text.hpp"
#include "text/unicode.hpp"

namespace hb::jinja {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The escape at literal[at] == '\\'; moves `at` behind it.
void append_escape(std::string& out, std::string_view literal, std::size_t& at) {
    const char kind = literal[at + 1];
    constexpr std::string_view kNames = "\\'\"abfnrtv", kValues = "\\'\"\a\b\f\n\r\t\v";
    at += 2;
    if (kind == '\n') return;
    if (const auto known = kNames.find(kind); known != std::string_view::npos) {
        out += kValues[known];
        return;
    }
    std::uint32_t c = 0;
    if (kind >= '0' && kind <= '7') {
        c = static_cast<std::uint32_t>(kind - '0');
        for (int i = 0; i < 2 && at < literal.size() && literal[at] >= '0' && literal[at] <= '7';
             ++i)
            c = c * 8 + static_cast<std::uint32_t>(literal[at++] - '0');
        return append_utf8(out, c);
    }
    const int digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    if (kind == 'N') fail("the escape \\N{{...}} is not supported");
    if (digits == 0) {
        (out += '\\') += kind;
        return;
    }
    for (int i = 0; i < digits; ++i) {
        const int value = at < literal.size() ? hex_value(literal[at]) : -1;
        if (value < 0) fail("a broken escape \\{} in a string", kind);
        c = c * 16 + static_cast<std::uint32_t>(value);
        ++at;
    }
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        fail("the escape \\{}{:x} is no character", kind, c);
    append_utf8(out, c);
}

// Digits with single underscores between them; returns their end.
std::size_t digits_end(std::string_view text, std::size_t at) {
    while (at < text.size() &&
           (is_digit(text[at]) || (text[at] == '_' && at > 0 && is_digit(text[at - 1]) &&
                                   at + 1 < text.size() && is_digit(text[at + 1]))))
        ++at;
    return at;
}

std::string without_underscores(std::string_view text) {
    std::string out;
    for (const char c : text)
        if (c != '_') out += c;
    return out;
}

std::string_view trimmed(std::string_view text) {
    text.remove_prefix(leading_space(text));
    return text.substr(0, without_trailing_space(text));
}

}  // namespace

std::string unescape(std::string_view literal) {
    std::string out;
    for (std::size_t at = 0; at < literal.size();) {
        if (literal[at] == '\\')
            append_escape(out, literal, at);
        else
            out += literal[at++];
    }
    return out;
}

NumberLiteral read_number(std::string_view text, bool may_be_real) {
    NumberLiteral out;
    std::size_t last = digits_end(text, 0);
    const auto whole = last;
    if (may_be_real) {
        if (last + 1 < text.size() && text[last] == '.' && is_digit(text[last + 1]))
            last = digits_end(text, last + 1);
        auto e = last;
        if (e < text.size() && (text[e] == 'e' || text[e] == 'E')) {
            ++e;
            if (e < text.size() && (text[e] == '+' || text[e] == '-')) ++e;
            if (e < text.size() && is_digit(text[e])) last = digits_end(text, e);
        }
    }
    const std::string digits = without_underscores(text.substr(0, last));
    if (last > whole) {
        out.is_real = true;
        const auto value = parse_float(digits);
        if (value) out.real = *value;
        out.size = value ? last : 0;
        return out;
    }
    if (text.size() > 1 && text[0] == '0' && !is_digit(text[1]) &&
        std::string_view("xXbBoO").find(text[1]) != std::string_view::npos)
        return out;
    if (digits.size() > 1 && digits[0] == '0') return out;
    const auto end = digits.data() + digits.size();
    const auto read = std::from_chars(digits.data(), end, out.integer);
    out.size = read.ec == std::errc() && read.ptr == end ? last : 0;
    return out;
}

std::optional<std::int64_t> parse_int(std::string_view text, int base) {
    text = trimmed(text);
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    for (const char c : text)
        if (static_cast<unsigned char>(c) >= 0x80)
            fail("int() of digits beyond ASCII is not supported");
    if (base == 10 && digits_end(text, 0) == text.size() && !text.empty() && text[0] != '_') {
        const std::string digits = (negative ? "-" : "") + without_underscores(text);
        std::int64_t value = 0;
        const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (read.ec != std::errc())
            fail("the integer {} does not fit into 64 bits", digits.substr(0, 40));
        return value;
    }
    if (base != 10) fail("int() with the base {} is not supported", base);
    return std::nullopt;
}

std::optional<double> parse_float(std::string_view text) {
    text = trimmed(text);
    std::string body = without_underscores(text);
    if (body.size() != text.size()) return std::nullopt;
    if (body.starts_with('+')) body.erase(0, 1);
    if (body.starts_with("+") || body.empty()) return std::nullopt;
    const auto unsigned_body = std::string_view(body).substr(body[0] == '-');
    if (unsigned_body.empty() || !(is_digit(unsigned_body[0]) || unsigned_body[0] == '.')) {
        for (const std::string_view word : {"inf", "nan", "infinity"})
            if (unsigned_body.size() == word.size() &&
                hb::jinja::lower(std::string(unsigned_body)) == word)
                return body[0] == '-' ? -(word == "nan" ? NAN : INFINITY)
                                      : (word == "nan" ? NAN : INFINITY);
        for (const char c : unsigned_body)
            if (static_cast<unsigned char>(c) >= 0x80)
                fail("float() of digits beyond ASCII is not supported");
        return std::nullopt;
    }
    double value = 0;
    const auto end = body.data() + body.size();
    const auto read = std::from_chars(body.data(), end, value);
    if (read.ptr != end) return std::nullopt;
    if (read.ec == std::errc::result_out_of_range)
        value = std::strtod(body.c_str(), nullptr);
    else if (read.ec != std::errc())
        return std::nullopt;
    return value;
}

}  // namespace hb::jinja
