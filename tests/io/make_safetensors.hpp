// SPDX-License-Identifier: Apache-2.0
// Builds safetensors files byte by byte, right or wrong.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

inline std::vector<std::byte> to_bytes(std::string_view text) {
    const auto* p = reinterpret_cast<const std::byte*>(text.data());
    return {p, p + text.size()};
}

inline std::vector<std::byte> safetensors_file(std::string_view header, std::size_t data_bytes) {
    std::uint64_t length = header.size();
    std::string text(8, '\0');
    std::memcpy(text.data(), &length, 8);
    text += header;
    text.append(data_bytes, '\x01');
    return to_bytes(text);
}

}  // namespace hb
