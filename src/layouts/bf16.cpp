// SPDX-License-Identifier: Apache-2.0
// Dense weights, element * (scale / divisor) rounded to bf16, for clients that know no 4-bit type.
// Exact for MXFP4 with divisor 1, where a value has two significant bits.
#include <algorithm>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "layouts/folder.hpp"

namespace hb {
namespace {

bool fits(const QuantizedLinear& linear) {
    for (std::int64_t first = 0; first < linear.rows; first += part_rows(linear.cols)) {
        const auto part =
            dequantize(linear.read(first, std::min(part_rows(linear.cols), linear.rows - first)));
        for (const float x : part.values)
            if (round_to_bf16(x) != x) return false;
    }
    return true;
}

std::vector<std::byte> dense(const Contents& c, const QuantizedLinear& linear) {
    std::vector<std::byte> bytes;
    bytes.reserve(static_cast<std::size_t>(2 * linear.rows * linear.cols));
    for (std::int64_t first = 0; first < linear.rows; first += part_rows(linear.cols)) {
        const auto part =
            dequantize(linear.read(first, std::min(part_rows(linear.cols), linear.rows - first)));
        for (const float x : part.values) {
            const std::uint16_t half = float_to_bf16(x);
            const auto two = std::as_bytes(std::span(&half, 1));
            bytes.insert(bytes.end(), two.begin(), two.end());
        }
    }
    c.checkpoint->drop(linear.module);
    return bytes;
}

}  // namespace

Notes write_bf16(const Contents& c, const std::filesystem::path& out, const WriteOptions& options) {
    refuse_rotation(c, "bf16", "convert to halfbyte, or quantize with --rotation offline");
    refuse_rounding(c, options);
    if (!options.allow_loss)
        for (const auto& linear : c.linears)
            if (!fits(linear))
                fail(
                    "{}: the weights of '{}' are not all bf16 numbers: allow rounding with "
                    "--allow-loss",
                    c.checkpoint->path().string(), linear.module);
    std::vector<TensorToWrite> tensors = plain_tensors(c);
    for (const auto& linear : c.linears)
        tensors.push_back(
            {linear.module + ".weight", "BF16", {linear.rows, linear.cols}, [&c, &linear] {
                 return dense(c, linear);
             }});
    write_folder(c, out, std::move(tensors), plain_config(c));
    if (!c.quantization || !c.quantization->quantizes_activations()) return {};
    return {"activations are no longer quantized"};
}

}  // namespace hb
