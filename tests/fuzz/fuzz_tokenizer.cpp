// SPDX-License-Identifier: Apache-2.0
// First byte even: the rest is text for a fixed tokenizer that knows every byte, and must decode to
// itself. Odd: tokenizer.json, a zero byte, text; an Error is fine, anything else is not.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/json.hpp"
#include "text/byte_level.hpp"
#include "text/tokenizer.hpp"
#include "text/unicode.hpp"

namespace {

hb::Tokenizer make_fixed() {
    hb::Json file = hb::Json::parse(
        R"({"added_tokens": [{"id": 260, "content": "<s>", "special": true, "normalized": false},
        {"id": 261, "content": "<s>x", "lstrip": false, "rstrip": false, "normalized": true}],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": ""}, "behavior": "Isolated", "invert": false},
            {"type": "Digits", "individual_digits": true},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}]},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": {}, "merges": ["a a", "aa a", "aaa a", "a b"]}})");
    file["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] =
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
    auto& vocabulary = file["model"]["vocab"];
    for (int byte = 0; byte < 256; ++byte)
        vocabulary[hb::byte_to_symbol(static_cast<unsigned char>(byte))] = byte;
    int id = 256;
    for (const char* token : {"aa", "aaa", "aaaa", "ab"}) vocabulary[token] = id++;
    return hb::Tokenizer(file.dump(), "fixed");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const hb::Tokenizer fixed = make_fixed();
    if (size == 0) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (data[0] % 2 == 0) {
        const auto ids = fixed.encode(input, true);
        if (fixed.decode(ids, false) != hb::replace_invalid_utf8(input)) std::abort();
        hb::to_nfc(hb::replace_invalid_utf8(input));
        return 0;
    }
    const auto zero = input.find('\0');
    const auto text = zero == std::string_view::npos ? std::string_view() : input.substr(zero + 1);
    try {
        const hb::Tokenizer tokenizer(input.substr(0, zero), "fuzz");
        const auto ids = tokenizer.encode(text, true);
        tokenizer.decode(ids, true);
        for (const auto id : ids)
            if (id < 0 || id >= tokenizer.vocabulary()) std::abort();
    } catch (const hb::Error&) {
    }
    return 0;
}
