// SPDX-License-Identifier: Apache-2.0
// Names of architectures and modules in a GGUF and at Hugging Face, one line each, read both ways.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace hb {

struct GgufArchitecture {
    std::string_view name, hugging_face;
    bool interleaved;  // rows of q and k
};
std::span<const GgufArchitecture> gguf_architectures();

// "blk.3.attn_q" -> "model.layers.3.self_attn.q_proj"; empty when unknown.
std::string module_of_gguf(std::string_view base);
// "model.layers.3.self_attn.q_proj" -> "blk.3.attn_q"; empty when unknown.
std::string gguf_of_module(std::string_view module);

// Our own keys: config.json of the model the file was made from, and the divisors whose reciprocal
// in a `.scale` or `.input_scale` does not give them back.
inline constexpr std::string_view kGgufConfig = "halfbyte.config",
                                  kGgufOriginalNames = "halfbyte.original.names",
                                  kGgufOriginalValues = "halfbyte.original.values";

}  // namespace hb
