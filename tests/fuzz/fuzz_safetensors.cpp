// SPDX-License-Identifier: Apache-2.0
// Any bytes are a safetensors file or an Error; what is accepted covers the data exactly.
#include <cstdlib>

#include "core/error.hpp"
#include "io/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    try {
        const auto header = hb::parse_safetensors(std::as_bytes(std::span(data, size)), "fuzz");
        std::uint64_t end = 0;
        for (const auto& entry : header.entries) {
            if (entry.begin != end) std::abort();
            end = entry.end;
        }
        if (header.data_offset + end != size) std::abort();
    } catch (const hb::Error&) {
    }
    return 0;
}
