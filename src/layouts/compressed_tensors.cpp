// SPDX-License-Identifier: Apache-2.0
// compressed-tensors: weight_packed, weight_scale, and for NVFP4 weight_global_scale and
// input_global_scale, both divisors like ours. Plain MXFP4 has no divisor and clients ignore
// rotations; the layout `halfbyte` has both, under a quant_method that other clients refuse.
#include <algorithm>

#include "core/error.hpp"
#include "layouts/folder.hpp"

namespace hb {
namespace {

// Tensors of schemes that only this layout has are copied as they are.
void copy_module(const Contents& c, const QuantizedLinear& linear,
                 std::vector<TensorToWrite>& tensors) {
    for (const TensorInfo& info : c.checkpoint->tensors()) {
        if (!info.name.starts_with(linear.module + ".") || info.name.ends_with(".bias")) continue;
        tensors.push_back(
            {info.name, info.dtype, info.shape, [&from = *c.checkpoint, name = info.name] {
                 auto bytes = from.read_bytes(name);
                 from.drop(name);
                 return bytes;
             }});
    }
}

void add_linear(const Contents& c, const QuantizedLinear& linear,
                std::vector<TensorToWrite>& tensors) {
    const bool nv = linear.scheme->family == Family::nv;
    if (!nv && linear.scheme->family != Family::mx) return copy_module(c, linear, tensors);
    tensors.push_back(codes_of(c, linear, ".weight_packed"));
    tensors.push_back(scales_of(c, linear, ".weight_scale", nv ? "F8_E4M3" : "U8"));
    if (nv || linear.divisor != 1)
        tensors.push_back(number_of(linear, ".weight_global_scale", {1}, linear.divisor));
    if (nv && linear.scheme->quantized_activations && linear.input_divisor)
        tensors.push_back(number_of(linear, ".input_global_scale", {1}, *linear.input_divisor));
}

// The source's own list, and what is plain but not on it.
Json complete_ignore(const Contents& c) {
    QuantizationConfig q = *c.quantization;
    for (const auto& module : plain_modules(c))
        if (!q.ignores(module)) q.ignore.push_back(module);
    return q.ignore;
}

void write(const Contents& c, const std::filesystem::path& out, Json quantization,
           std::string_view method) {
    std::vector<TensorToWrite> tensors = plain_tensors(c);
    for (const auto& linear : c.linears) add_linear(c, linear, tensors);
    Json config = plain_config(c);
    quantization["quant_method"] = method;
    quantization["ignore"] = complete_ignore(c);
    config["quantization_config"] = std::move(quantization);
    write_folder(c, out, std::move(tensors), config);
}

}  // namespace

Notes write_compressed_tensors(const Contents& c, const std::filesystem::path& out,
                               const WriteOptions& options) {
    constexpr std::string_view kName = "compressed-tensors";
    need_quantized(c, kName);
    refuse_rotation(c, kName,
                    "convert to halfbyte or fp-quant, or quantize with --rotation offline");
    refuse_factor(c, kName,
                  "convert to halfbyte, fp-quant or gguf, or quantize with another scale rule");
    refuse_rounding(c, options);
    write(c, out, c.checkpoint->config()["quantization_config"], kName);
    return {};
}

Notes write_halfbyte(const Contents& c, const std::filesystem::path& out,
                     const WriteOptions& options) {
    need_quantized(c, "halfbyte");
    refuse_rounding(c, options);
    write(c, out, to_json(*c.quantization), "halfbyte");
    return {};
}

}  // namespace hb
