// SPDX-License-Identifier: Apache-2.0
// The pre-tokenizers that tokenizer.ggml.pre can name, as tokenizer.json writes them.
#pragma once

#include <span>
#include <string_view>

namespace hb {

struct PreTokenizer {
    std::string_view name;   // tokenizer.ggml.pre
    std::string_view split;  // regex, or empty: GPT-2's own split, behind
    bool digits;             // digits one by one
    bool nfc, ignore_merges,
        begins;  // begins: a sequence starts with BOS unless the file says otherwise
};
std::span<const PreTokenizer> pre_tokenizers();

}  // namespace hb
