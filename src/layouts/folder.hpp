// SPDX-License-Identifier: Apache-2.0
// What the layouts that are folders share.
#pragma once

#include "io/safetensors.hpp"
#include "layouts/layout.hpp"

namespace hb {

// Throws Error when a weight would have to be rounded and that was not allowed.
void refuse_rounding(const Contents& contents, const WriteOptions& options);
// Throws Error when the model is rotated online; `way_out` ends the line.
void refuse_rotation(const Contents& contents, std::string_view layout, std::string_view way_out);
// Throws Error when an MXFP4 weight has a divisor that is not 1.
void refuse_factor(const Contents& contents, std::string_view layout, std::string_view way_out);
// The configuration with the one group that all quantized linears belong to; throws Error when they
// have several.
QuantizationConfig one_group(const Contents& contents, std::string_view layout);
// Throws Error when no linear is quantized.
void need_quantized(const Contents& contents, std::string_view layout);

// The plain tensors, in their dtypes.
std::vector<TensorToWrite> plain_tensors(const Contents& contents);
// Codes (out, in / 2) and scales (out, in / group) of FP4 as compressed-tensors, ModelOpt and
// FP-Quant have them, under these names.
TensorToWrite codes_of(const Contents& contents, const QuantizedLinear& linear,
                       const std::string& ending);
TensorToWrite scales_of(const Contents& contents, const QuantizedLinear& linear,
                        const std::string& ending, std::string_view dtype);
TensorToWrite number_of(const QuantizedLinear& linear, const std::string& ending,
                        std::vector<std::int64_t> shape, float value);

// config.json of the source without quantization_config.
Json plain_config(const Contents& contents);
// Weights, tokenizer and other texts, and config.json last. `out` must be empty or absent.
void write_folder(const Contents& contents, const std::filesystem::path& out,
                  std::vector<TensorToWrite> tensors, const Json& config);

}  // namespace hb
