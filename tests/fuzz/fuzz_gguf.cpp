// SPDX-License-Identifier: Apache-2.0
// Any bytes are a GGUF or an Error; whatever is accepted can be described, and its blocks decoded.
#include "core/error.hpp"
#include "io/source.hpp"
#include "model/config.hpp"

namespace {

void decode_some(const hb::Gguf& gguf) {
    float values[256];
    for (const auto& tensor : gguf.tensors) {
        if (tensor.type->fp4()) continue;
        const std::byte* last =
            gguf.bytes.data() + tensor.begin + tensor.bytes - tensor.type->bytes;
        tensor.type->decode(gguf.bytes.data() + tensor.begin, 1, values);
        tensor.type->decode(last, 1, values);
    }
}

template <class F>
void attempt(F body) {
    try {
        body();
    } catch (const hb::Error&) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    attempt([&] {
        const auto gguf = hb::parse_gguf(std::as_bytes(std::span(data, size)), "fuzz");
        decode_some(gguf);
        attempt([&] { hb::gguf_tokenizer(gguf); });
        attempt([&] { hb::gguf_tokenizer_config(gguf); });
        attempt([&] { hb::gguf_generation_config(gguf); });
        hb::Source source;
        hb::describe_gguf(gguf, source);
        hb::parse_config(source.config, "fuzz");
    });
    return 0;
}
