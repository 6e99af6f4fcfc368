// SPDX-License-Identifier: Apache-2.0
#include "text/byte_level.hpp"

#include <array>

#include "text/unicode.hpp"

namespace hb {
namespace {

constexpr int kAlphabetEnd = 0x100 + 68;

constexpr bool is_printable(int byte) {
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

constexpr auto kSymbols = [] {
    std::array<char32_t, 256> symbols{};
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte)
        symbols[static_cast<std::size_t>(byte)] =
            is_printable(byte) ? static_cast<char32_t>(byte) : next++;
    return symbols;
}();

constexpr auto kBytes = [] {
    std::array<int, kAlphabetEnd> bytes{};
    for (auto& byte : bytes) byte = -1;
    for (int byte = 0; byte < 256; ++byte) bytes[kSymbols[static_cast<std::size_t>(byte)]] = byte;
    return bytes;
}();

}  // namespace

std::string byte_to_symbol(unsigned char byte) {
    std::string out;
    append_utf8(out, kSymbols[byte]);
    return out;
}

std::string bytes_to_symbols(std::string_view bytes) {
    std::string out;
    for (const char byte : bytes) append_utf8(out, kSymbols[static_cast<unsigned char>(byte)]);
    return out;
}

std::string symbols_to_bytes(std::string_view token) {
    std::string out;
    for (std::size_t at = 0; at < token.size();) {
        const char32_t c = next_code_point(token, at);
        if (c >= kAlphabetEnd || kBytes[c] < 0) return std::string(token);
        out += static_cast<char>(kBytes[c]);
    }
    return out;
}

}  // namespace hb
