// SPDX-License-Identifier: Apache-2.0
// Byte-level BPE as tokenizer.json describes it: normalizer (none, NFC), added tokens cut out
// first, pre-tokenizer (Split regex, Digits, ByteLevel, Sequence), merges by rank, template
// post-processor. Ids equal Hugging Face `tokenizers`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

class Tokenizer {
public:
    // `json` is tokenizer.json; `where` names it in errors. Throws Error on a model, normalizer,
    // pre-tokenizer or decoder that is not known: never a guess.
    Tokenizer(std::string_view json, const std::string& where);
    ~Tokenizer();
    Tokenizer(Tokenizer&&) noexcept;
    Tokenizer& operator=(Tokenizer&&) noexcept;

    // Invalid UTF-8 becomes U+FFFD, as in Python's bytes.decode(errors="replace").
    std::vector<std::int32_t> encode(std::string_view text, bool add_special_tokens) const;
    std::string decode(const std::vector<std::int32_t>& ids, bool skip_special_tokens) const;
    std::string token_bytes(
        std::int32_t id) const;  // raw bytes of one token (may be half a character)
    bool is_special(std::int32_t id) const;
    std::int32_t id_of(std::string_view token) const;  // -1 when absent
    std::int64_t vocabulary() const;                   // one more than the largest id

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hb
