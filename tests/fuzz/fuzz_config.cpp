// SPDX-License-Identifier: Apache-2.0
// Any text is a config.json or an Error.
#include <string_view>

#include "core/error.hpp"
#include "io/quantization_config.hpp"
#include "io/strict_json.hpp"
#include "model/config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    try {
        const auto json = hb::parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
        if (const auto quantized = hb::quantization_config_of(json)) hb::to_json(*quantized);
        hb::rope_frequencies(hb::parse_config(json, "fuzz"));
    } catch (const hb::Error&) {
    }
    return 0;
}
