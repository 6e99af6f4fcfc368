// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "layouts/layout.hpp"

namespace hb {
namespace {

constexpr Layout kLayouts[] = {
    {"compressed-tensors", "a folder for Transformers and vLLM", "all", "none", "no", true,
     write_compressed_tensors},
    {"halfbyte", "compressed-tensors' tensors with rotations and factors, for halfbyte", "all",
     "all", "yes", true, write_halfbyte},
    {"fp-quant", "a folder for Transformers with fp_quant", "mxfp4, nvfp4", "hadamard, gsr", "yes",
     true, write_fp_quant},
    {"modelopt", "a folder for vLLM and TensorRT-LLM", "nvfp4, nvfp4a16", "none", "no", true,
     write_modelopt},
    {"gguf", "a file for llama.cpp", "mxfp4, nvfp4, mxfp4a16, nvfp4a16", "none", "yes", false,
     write_gguf_model},
    {"bf16", "a folder without quantization; rounds, except MXFP4 without a factor",
     "weights of all", "none", "-", true, write_bf16},
};

}  // namespace

std::span<const Layout> all_layouts() {
    return kLayouts;
}

const Layout& find_layout(std::string_view name) {
    std::string known;
    for (const Layout& layout : kLayouts) {
        if (layout.name == name) return layout;
        known += (known.empty() ? "" : ", ") + std::string(layout.name);
    }
    fail("unknown layout '{}'; choose one of: {}", name, known);
}

}  // namespace hb
