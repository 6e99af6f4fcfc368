// SPDX-License-Identifier: Apache-2.0
// Strings as Python treats them: white space, literals, and the methods of str, on UTF-8. Case
// mapping is Unicode's simple one; a character whose full mapping differs is an error, not a guess.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hb::jinja {

constexpr std::size_t kLargestTemplate = 1024 * 1024;

bool is_python_space(char32_t c);
std::size_t leading_space(std::string_view text);  // bytes of white space at the start
std::size_t without_trailing_space(
    std::string_view text);  // bytes up to the white space at the end

std::string unescape(std::string_view literal);  // the body of a string literal
struct NumberLiteral {
    std::size_t size = 0;  // 0: no number that is supported
    bool is_real = false;
    std::int64_t integer = 0;
    double real = 0;
};
NumberLiteral read_number(std::string_view text, bool may_be_real);
std::optional<std::int64_t> parse_int(std::string_view text, int base);  // int(text, base)
std::optional<double> parse_float(std::string_view text);                // float(text)

// Without `characters`, white space goes.
std::string strip(const std::string& text, const std::string* characters, bool left, bool right);
std::vector<std::string> split(const std::string& text, const std::string* separator,
                               std::int64_t most);
std::vector<std::string> split_from_right(const std::string& text, const std::string* separator,
                                          std::int64_t most);
std::vector<std::string> split_lines(const std::string& text);
std::string replace(const std::string& text, const std::string& from, const std::string& to,
                    std::int64_t most);
std::string upper(const std::string& text);
std::string lower(const std::string& text);
std::string capitalize(const std::string& text);
std::string title(const std::string& text);        // str.title; ASCII only
std::string title_words(const std::string& text);  // jinja2's filter
std::size_t count(const std::string& text, const std::string& part);
std::int64_t find(const std::string& text, const std::string& part,
                  bool last);  // in characters; -1: not there

}  // namespace hb::jinja
