// SPDX-License-Identifier: Apache-2.0
// Cuts a template into text and tags, and tags into tokens, with jinja2's rules for white space:
// trim_blocks drops a newline behind a block or comment, lstrip_blocks the blanks before one on its
// line, `-` strips all white space on that side, `+` keeps it. One newline at the end is dropped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hb::jinja {

enum class TokenKind {
    text,
    block_begin,
    block_end,
    print_begin,
    print_end,
    name,
    string,
    integer,
    real,
    symbol,
    end
};

struct Token {
    TokenKind kind;
    std::string text;  // of a string: its value
    int line;
    std::int64_t integer = 0;
    double real = 0;

    bool is(TokenKind wanted, std::string_view spelled) const {
        return kind == wanted && text == spelled;
    }
    bool is_name(std::string_view spelled) const { return is(TokenKind::name, spelled); }
    bool is_symbol(std::string_view spelled) const { return is(TokenKind::symbol, spelled); }
};

std::vector<Token> tokenize(std::string_view source, const std::string& where);

}  // namespace hb::jinja
