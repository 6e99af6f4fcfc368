// SPDX-License-Identifier: Apache-2.0
// A template, a zero byte, the variables as JSON (without them: a small conversation). An Error is
// fine, anything else is not; the same input renders to the same text.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "text/chat_template.hpp"

namespace {

const hb::Json& conversation() {
    static const hb::Json variables =
        hb::Json::parse(R"({"messages": [{"role": "system", "content": "S"},
        {"role": "user", "content": "Hé <b>"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "x",
        "function": {"name": "f", "arguments": {"a": [1, 2.5, true, null], "items": "i"}}}]}],
        "add_generation_prompt": true, "bos_token": "<s>", "tools": [], "strftime_now_seconds": 1735689600})");
    return variables;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto zero = input.find('\0');
    hb::Json variables = conversation();
    if (zero != std::string_view::npos) {
        const auto parsed = hb::Json::parse(input.substr(zero + 1), nullptr, false);
        if (parsed.is_object()) variables = parsed;
    }
    try {
        const hb::ChatTemplate chat(input.substr(0, zero), "fuzz");
        const auto text = chat.render(variables);
        if (input.find("strftime_now") == std::string_view::npos && chat.render(variables) != text)
            std::abort();
    } catch (const hb::Error&) {
    }
    return 0;
}
