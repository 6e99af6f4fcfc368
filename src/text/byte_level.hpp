// SPDX-License-Identifier: Apache-2.0
// The byte-level alphabet of GPT-2: each of the 256 bytes is written as one printable character.
// Bytes 33..126, 161..172 and 174..255 stand for themselves; the other 68, in order, are U+0100 on.
#pragma once

#include <string>
#include <string_view>

namespace hb {

std::string byte_to_symbol(unsigned char byte);        // UTF-8
std::string bytes_to_symbols(std::string_view bytes);  // UTF-8
// The bytes that `token` stands for; when one character is outside the alphabet, `token` itself.
std::string symbols_to_bytes(std::string_view token);  // valid UTF-8

}  // namespace hb
