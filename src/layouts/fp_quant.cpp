// SPDX-License-Identifier: Apache-2.0
// FP-Quant: codes as qweight, scales as raw bytes, both divisors, and the matrix that inputs are
// rotated with, one for each linear, of one size for the whole model. Its clients always quantize
// activations: NVFP4 under the largest magnitude, MXFP4 under 4/3 of a power of two with divisor 3.
#include <cmath>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "layouts/folder.hpp"

namespace hb {
namespace {

struct Rotation {
    std::string init;  // identity, hadamard, gsr
    int block = 0;
};

// The same transform at all four sites.
Rotation rotation_of(const Contents& c, const QuantizationConfig& q) {
    const bool nv = q.groups.front().scheme->family == Family::nv;
    const std::int64_t q_size = c.model.heads * c.model.head_dim;
    const Transform sites[4] = {parse_transform(q.qkv, c.model.hidden, q.seed),
                                parse_transform(q.o, q_size, q.seed),
                                parse_transform(q.gate_up, c.model.hidden, q.seed),
                                parse_transform(q.down, c.model.intermediate, q.seed)};
    for (const Transform& site : sites)
        if (site != sites[0])
            fail(
                "{}: rotated by qkv {}, o {}, gate_up {}, down {}; fp-quant has one rotation for "
                "all: convert to halfbyte",
                c.checkpoint->path().string(), q.qkv, q.o, q.gate_up, q.down);
    Rotation r{"identity", nv ? 16 : 32};
    if (!sites[0].identity()) r = {std::string(sites[0].kind->name), sites[0].block};
    const bool known = r.init == "identity" || r.init == "hadamard" || r.init == "gsr";
    const bool fits = r.block == 32 || r.block == 64 || r.block == 128 || (nv && r.block == 16);
    if (!known || !fits)
        fail(
            "{}: rotated by {}:{}; fp-quant has hadamard and gsr of {}32, 64 or 128: convert to "
            "halfbyte",
            c.checkpoint->path().string(), r.init, r.block, nv ? "16, " : "");
    return r;
}

std::vector<std::byte> matrix_bytes(const Rotation& r) {
    std::vector<std::byte> bytes;
    for (const auto& kind : all_transforms()) {
        if (kind.name != r.init) continue;
        for (const double x : kind.matrix(r.block, 0).values) {
            const std::uint16_t half = float_to_bf16(static_cast<float>(x));
            const auto part = std::as_bytes(std::span(&half, 1));
            bytes.insert(bytes.end(), part.begin(), part.end());
        }
    }
    return bytes;
}

void add_linear(const Contents& c, const QuantizedLinear& linear, const Rotation& r,
                std::vector<TensorToWrite>& tensors) {
    const bool nv = linear.scheme->family == Family::nv;
    if (nv && !linear.input_divisor)
        fail("{}: '{}' has no input_global_scale, which fp-quant needs",
             c.checkpoint->path().string(), linear.module);
    tensors.push_back(codes_of(c, linear, ".qweight"));
    tensors.push_back(scales_of(c, linear, ".scales", "U8"));
    tensors.push_back(number_of(linear, ".weight_global_scale", {1}, linear.divisor));
    tensors.push_back(
        number_of(linear, ".act_global_scale", {1}, nv ? *linear.input_divisor : 3.f));
    for (const char* ending : {".forward_hadamard_matrix", ".backward_hadamard_matrix"})
        tensors.push_back(
            {linear.module + ending, "BF16", {r.block, r.block}, [r] { return matrix_bytes(r); }});
}

}  // namespace

Notes write_fp_quant(const Contents& c, const std::filesystem::path& out,
                     const WriteOptions& options) {
    need_quantized(c, "fp-quant");
    const QuantizationConfig quantization = one_group(c, "fp-quant");
    const Scheme& scheme = *quantization.groups.front().scheme;
    const bool fp4 = scheme.family == Family::mx || scheme.family == Family::nv;
    if (!fp4 || !scheme.quantized_activations)
        fail("{}: the scheme is {}; fp-quant holds mxfp4 and nvfp4, with quantized activations",
             c.checkpoint->path().string(), scheme.name);
    const Rotation rotation = rotation_of(c, quantization);
    refuse_rounding(c, options);
    std::vector<TensorToWrite> tensors = plain_tensors(c);
    for (const auto& linear : c.linears) add_linear(c, linear, rotation, tensors);
    Json settings = {
        {"forward_dtype", scheme.name},    {"forward_method", "abs_max"},
        {"backward_dtype", "bf16"},        {"hadamard_group_size", rotation.block},
        {"store_master_weights", false},   {"pseudoquantization", false},
        {"transform_init", rotation.init}, {"modules_to_not_convert", plain_modules(c)},
        {"quant_method", "fp_quant"}};
    settings["halfbyte"] = to_json(quantization)["halfbyte"];
    Json config = plain_config(c);
    config["quantization_config"] = settings;
    write_folder(c, out, std::move(tensors), config);
    const std::string_view theirs = scheme.family == Family::mx ? "fp-quant" : "absmax";
    const std::string& ours = quantization.groups.front().activation_rule;
    if (ours == theirs) return {};
    return {fmt::format("clients of fp-quant quantize activations by {}, this model says {}",
                        theirs, ours)};
}

}  // namespace hb
