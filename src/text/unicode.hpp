// SPDX-License-Identifier: Apache-2.0
// UTF-8: valid text out of any bytes (one U+FFFD for every maximal broken part, as Unicode section
// 3.9 recommends and Python does), code points, and normalization form C in n log n.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hb {

std::string replace_invalid_utf8(std::string_view bytes);
std::string to_nfc(std::string_view text);  // valid UTF-8

void append_utf8(std::string& out, char32_t c);
// The code point at `at`, which moves behind it. `text` is valid UTF-8.
char32_t next_code_point(std::string_view text, std::size_t& at);
std::u32string to_code_points(std::string_view text);  // valid UTF-8
std::string to_utf8(std::u32string_view points);

bool is_white_space(char32_t c);  // the White_Space property
bool is_word_character(char32_t c);
bool is_numeric(char32_t c);  // Nd, Nl, No

}  // namespace hb
