// SPDX-License-Identifier: Apache-2.0
// Characters of Unicode 15, 15.1, 16 (and 17 for numeric ones) that `tokenizers` knows and the
// Unicode 14 of PCRE2 10.42 and utf8proc 2.8 does not. Without them a few scripts would split
// apart.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace hb {

struct CodePointRange {
    char32_t first, last;
};

// For L, M, N, Nd, P, S, Z; nothing for a category that is not tabulated.
std::optional<std::span<const CodePointRange>> recent_characters(std::string_view category);
std::span<const CodePointRange> recent_numeric_characters();
// Marks newer than Unicode 10, which its NFC neither moves nor composes; utf8proc would.
std::span<const CodePointRange> inert_characters();
bool contains(std::span<const CodePointRange> ranges, char32_t c);

}  // namespace hb
