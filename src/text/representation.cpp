// SPDX-License-Identifier: Apache-2.0
// str() and repr() as Python prints them.
#include <utf8proc.h>

#include <array>
#include <charconv>
#include <cmath>

#include "core/error.hpp"
#include "text/unicode.hpp"
#include "text/values.hpp"

namespace hb::jinja {
namespace {

bool is_printable(char32_t c) {
    if (c == ' ') return true;
    switch (utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->category) {
        case UTF8PROC_CATEGORY_CC:
        case UTF8PROC_CATEGORY_CF:
        case UTF8PROC_CATEGORY_CS:
        case UTF8PROC_CATEGORY_CO:
        case UTF8PROC_CATEGORY_CN:
        case UTF8PROC_CATEGORY_ZL:
        case UTF8PROC_CATEGORY_ZP:
        case UTF8PROC_CATEGORY_ZS:
            return false;
        default:
            return true;
    }
}

std::string text_repr(const std::string& text) {
    const bool has_single = text.find('\'') != std::string::npos,
               has_double = text.find('"') != std::string::npos;
    const char quote = has_single && !has_double ? '"' : '\'';
    std::string out(1, quote);
    for (std::size_t at = 0; at < text.size();) {
        const char32_t c = next_code_point(text, at);
        const auto code = static_cast<std::uint32_t>(c);
        if (c == static_cast<char32_t>(quote) || c == '\\')
            (out += '\\') += static_cast<char>(c);
        else if (c == '\n')
            out += "\\n";
        else if (c == '\r')
            out += "\\r";
        else if (c == '\t')
            out += "\\t";
        else if (is_printable(c))
            append_utf8(out, c);
        else if (c < 0x100)
            out += fmt::format("\\x{:02x}", code);
        else if (c < 0x10000)
            out += fmt::format("\\u{:04x}", code);
        else
            out += fmt::format("\\U{:08x}", code);
    }
    return out += quote;
}

std::string sequence_repr(const Sequence& sequence) {
    if (sequence.kind != SequenceKind::list && sequence.kind != SequenceKind::tuple)
        fail("printing a {} is not supported",
             sequence.is_lazy() ? "generator; put '|list' behind it" : "view or a range");
    const bool tuple = sequence.kind == SequenceKind::tuple;
    std::string out = tuple ? "(" : "[";
    for (std::size_t i = 0; i < sequence.items.size(); ++i) {
        if (i) out += ", ";
        out += repr(sequence.items[i]);
        if (out.size() > kLargestText)
            fail("a printed value is larger than {} bytes", kLargestText);
    }
    if (tuple && sequence.items.size() == 1) out += ',';
    return out += tuple ? ')' : ']';
}

std::string dict_repr(const Dict& dict) {
    std::string out = "{";
    for (const auto& [key, value] : dict.items) {
        if (out.size() > 1) out += ", ";
        out += repr(key) + ": " + repr(value);
        if (out.size() > kLargestText)
            fail("a printed value is larger than {} bytes", kLargestText);
    }
    return out += '}';
}

}  // namespace

// The shortest digits that read back as x; an exponent below -4 or from 16 on is written out.
std::string float_repr(double x) {
    if (std::isnan(x)) return "nan";
    if (std::isinf(x)) return x < 0 ? "-inf" : "inf";
    std::array<char, 64> buffer;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), x,
                                   std::chars_format::scientific)
                         .ptr;
    const std::string text(buffer.data(), end);
    const auto e = text.find('e');
    const int exponent = std::stoi(text.substr(e + 1));
    if (exponent < -4 || exponent >= 16)
        return fmt::format("{}e{}{:02}", text.substr(0, e), exponent < 0 ? '-' : '+',
                           std::abs(exponent));
    const auto fixed =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), x, std::chars_format::fixed)
            .ptr;
    std::string out(buffer.data(), fixed);
    return out.find('.') == std::string::npos ? out + ".0" : out;
}

std::string repr(const Value& value) {
    if (const auto* text = value.get<Text>()) {
        if (text->safe) fail("the repr of a string marked safe is not supported");
        return text_repr(*text->bytes);
    }
    if (value.is_undefined()) return "Undefined";
    return to_text(value);
}

std::string to_text(const Value& value) {
    if (value.is_undefined()) return "";
    if (value.is_none()) return "None";
    if (const auto* flag = value.get<bool>()) return *flag ? "True" : "False";
    if (const auto* whole = value.get<std::int64_t>()) return std::to_string(*whole);
    if (const auto* number = value.get<double>()) return float_repr(*number);
    if (const auto* text = value.text()) return *text;
    if (const auto* sequence = value.sequence()) return sequence_repr(*sequence);
    if (const auto* dict = value.dict()) return dict_repr(*dict);
    fail("printing a {} is not supported", type_name(value));
}

}  // namespace hb::jinja
