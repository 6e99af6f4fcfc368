// SPDX-License-Identifier: Apache-2.0
// JSON from a file that nobody vouches for: duplicate keys, deep nesting and huge objects are
// refused, and what came from the file is made safe to print on one line.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "core/json.hpp"

namespace hb {

// Control characters and bytes beyond ASCII as \xNN, long text cut short.
std::string printable(std::string_view text, std::size_t limit = 120);

// The reason in nlohmann's exception without its "[json.exception...]" prefix.
std::string json_reason(const std::exception& error);

// Throws Error that begins with `where`.
Json parse_json(std::string_view text, const std::string& where);

// Reads and parses a file of at most `limit` bytes whose top level is an object.
Json read_json_object(const std::filesystem::path& path, std::uint64_t limit);

// A text file of at most `limit` bytes.
std::string read_text(const std::filesystem::path& path, std::uint64_t limit);

}  // namespace hb
