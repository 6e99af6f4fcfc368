// SPDX-License-Identifier: Apache-2.0
// What the keys of a GGUF say of its tensors; gguf_config (source.hpp) makes a config.json of them.
#pragma once

#include "io/gguf.hpp"
#include "io/gguf_names.hpp"

namespace hb {

const GgufArchitecture& architecture_of(const Gguf& gguf);  // throws Error when unknown

struct GgufHeads {
    std::int64_t q = 0, kv = 0, size = 0;
};
GgufHeads heads_of(const Gguf& gguf);

// Matrices decide: anything quantized or in bf16 makes the whole file bf16.
bool presented_as_bf16(const Gguf& gguf);

}  // namespace hb
