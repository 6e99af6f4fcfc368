// SPDX-License-Identifier: Apache-2.0
// tokenizer.json, tokenizer_config.json and the chat template as tokenizer.ggml.* keys.
#pragma once

#include "io/gguf_write.hpp"
#include "layouts/contents.hpp"

namespace hb {

// Returns false, and adds nothing, when the model has no tokenizer.json. Throws Error when a GGUF
// cannot hold the tokenizer.
bool add_tokenizer(const Contents& contents, GgufToWrite& gguf);

}  // namespace hb
