// SPDX-License-Identifier: Apache-2.0
// Reads FP-Quant (`quant_method: fp_quant`, Castro et al. 2025). Per linear M:
//     qweight U8 (out, in/2), scales U8 (out, in/group): E8M0 bytes, or the bits of E4M3
//     weight_global_scale, act_global_scale [1]: divisors, as ours; 3 in MXFP4, whose scales are
//     4/3 of a power of two: value = e2m1 2^(b-127) / 3
//     forward_hadamard_matrix (n, n): what inputs are multiplied with, block by block
// Activations are always quantized: in MXFP4 with the same factor 3, under the rule fp-quant.
#include <cmath>

#include "core/error.hpp"
#include "io/json_fields.hpp"
#include "io/presenter.hpp"
#include "io/quantization_config.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

std::string where_in(const Source& source) {
    return source.path.string() + ": config.json: quantization_config";
}

// Bits of "on" that would change what the tensors mean.
void refuse_flag(const Source& source, const Json& settings, const char* name) {
    const Json* flag = find_field(settings, name);
    if (flag && *flag != false)
        fail("{}: '{}' is on, which is not supported; export the model with packed weights",
             where_in(source), name);
}

const Scheme& scheme_of(const Source& source, const Json& settings) {
    const std::string where = where_in(source);
    const auto type = text_or(settings, "forward_dtype", "absent", where);
    if (type != "mxfp4" && type != "nvfp4")
        fail("{}: 'forward_dtype' is '{}', wanted mxfp4 or nvfp4", where, printable(type));
    if (const auto method = text_or(settings, "forward_method", "abs_max", where);
        method != "abs_max")
        fail("{}: 'forward_method' is '{}'; only abs_max is supported", where, printable(method));
    return find_scheme(type);
}

// The transform whose matrix this is to bf16's precision.
std::string transform_of(const Source& source, const StoredTensor& tensor) {
    const auto& shape = tensor.info.shape;
    if (!tensor.type || tensor.type->fp4() || shape.size() != 2 || shape[0] != shape[1] ||
        shape[0] < 2 || shape[0] > 1024)
        fail("{}: tensor '{}' is {} [{}], wanted a square matrix of numbers", source.path.string(),
             printable(tensor.info.name), tensor.info.dtype, fmt::join(shape, ", "));
    const auto n = shape[0];
    const auto found = decode_rows(source, tensor, 0, n, n);
    for (const auto& kind : all_transforms()) {
        if (kind.seeded || (kind.power_of_two && (n & (n - 1)) != 0)) continue;
        const auto wanted = kind.matrix(static_cast<int>(n), 0);
        bool same = true;
        for (std::size_t i = 0; same && i < wanted.values.size(); ++i)
            same = std::abs(found.values[i] - wanted.values[i]) <=
                   std::abs(wanted.values[i]) / 128 + 1e-6;
        if (same) return kind.name == "identity" ? "none" : fmt::format("{}:{}", kind.name, n);
    }
    fail("{}: tensor '{}' is none of the transforms that halfbyte knows (halfbyte list transforms)",
         source.path.string(), printable(tensor.info.name));
}

std::string& site_of(const Source& source, QuantizationConfig& c, const std::string& module) {
    const auto name = module.substr(module.rfind('.') + 1);
    if (name == "q_proj" || name == "k_proj" || name == "v_proj") return c.qkv;
    if (name == "o_proj") return c.o;
    if (name == "gate_proj" || name == "up_proj") return c.gate_up;
    if (name == "down_proj") return c.down;
    fail("{}: '{}' is quantized; only the linears of a decoder block are supported",
         source.path.string(), printable(module));
}

void read_transform(const Source& source, Presenter& in, const std::string& module,
                    QuantizationConfig& c, std::map<std::string*, std::string>& seen) {
    const auto text = transform_of(source, in.need(module + ".forward_hadamard_matrix"));
    std::string& site = site_of(source, c, module);
    const auto [it, first] = seen.emplace(&site, text);
    if (it->second != text)
        fail(
            "{}: '{}' is rotated by {}, other linears of its place by {}; one transform for a "
            "place is supported",
            source.path.string(), printable(module), text, it->second);
    site = text;
}

void rename_module(Presenter& in, const std::string& m, const Scheme& scheme) {
    const bool nv = scheme.family == Family::nv;
    in.rename(m + ".qweight", m + ".weight_packed", "U8");
    in.rename(m + ".scales", m + ".weight_scale", nv ? "F8_E4M3" : "U8");
    const float weight = in.single(m + ".weight_global_scale");
    const float input = in.single(m + ".act_global_scale");
    in.rename_as_float(m + ".weight_global_scale", m + ".weight_global_scale", weight);
    if (nv) {
        in.rename_as_float(m + ".act_global_scale", m + ".input_global_scale", input);
    } else {
        if (input != 3)
            fail("{}: tensor '{}.act_global_scale' is {}; abs_max MXFP4 activations want 3",
                 in.where(), printable(m), input);
        in.hide(m + ".act_global_scale");
    }
    in.hide(m + ".forward_hadamard_matrix");
    in.hide(m + ".backward_hadamard_matrix");
}

}  // namespace

void present_fp_quant(Source& source) {
    const Json settings = source.config["quantization_config"];
    for (const char* name : {"pseudoquantization", "store_master_weights"})
        refuse_flag(source, settings, name);
    QuantizationConfig c;
    const Scheme& scheme = scheme_of(source, settings);
    c.groups = {{&scheme, "", scheme.family == Family::mx ? "fp-quant" : "absmax"}};
    c.ignore = texts_or(settings, "modules_to_not_convert", {"lm_head"}, where_in(source));
    Presenter in(source);
    std::map<std::string*, std::string> seen;
    for (const auto& module : in.modules(".qweight")) {
        read_transform(source, in, module, c, seen);
        rename_module(in, module, scheme);
    }
    in.finish();
    source.config["quantization_config"] = presented_config(c, settings, source.path.string());
}

}  // namespace hb
