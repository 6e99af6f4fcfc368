// SPDX-License-Identifier: Apache-2.0
// ModelOpt's NVFP4: compressed-tensors' codes and scales under the names weight and weight_scale;
// the divisors as multipliers weight_scale_2 and input_scale. A divisor that its multiplier does
// not give back stands in the metadata.
#include "core/error.hpp"
#include "core/file.hpp"
#include "layouts/folder.hpp"

namespace hb {
namespace {

TensorToWrite multiplier(const QuantizedLinear& linear, const std::string& ending, float divisor) {
    auto tensor = number_of(linear, ending, {}, reciprocal(divisor, linear.module + ending));
    tensor.original = original_of(divisor);
    return tensor;
}

void only_nvfp4(const Contents& c) {
    for (const auto& linear : c.linears)
        if (linear.scheme->family != Family::nv)
            fail("{}: '{}' is {}; modelopt holds NVFP4 only", c.checkpoint->path().string(),
                 linear.module, linear.scheme->name);
}

std::vector<TensorToWrite> tensors_of_linears(const Contents& c, bool inputs) {
    std::vector<TensorToWrite> tensors;
    for (const auto& linear : c.linears) {
        if (inputs && !linear.input_divisor)
            fail("{}: '{}' has no input_global_scale, which W4A4 needs",
                 c.checkpoint->path().string(), linear.module);
        tensors.push_back(codes_of(c, linear, ".weight"));
        tensors.push_back(scales_of(c, linear, ".weight_scale", "F8_E4M3"));
        tensors.push_back(multiplier(linear, ".weight_scale_2", linear.divisor));
        if (inputs) tensors.push_back(multiplier(linear, ".input_scale", *linear.input_divisor));
    }
    return tensors;
}

Json arguments() {
    return {{"dynamic", false}, {"num_bits", 4}, {"type", "float"}, {"group_size", 16}};
}

}  // namespace

Notes write_modelopt(const Contents& c, const std::filesystem::path& out,
                     const WriteOptions& options) {
    need_quantized(c, "modelopt");
    refuse_rotation(c, "modelopt",
                    "convert to halfbyte or fp-quant, or quantize with "
                    "--rotation offline");
    refuse_rounding(c, options);
    only_nvfp4(c);
    const QuantizationConfig quantization = one_group(c, "modelopt");
    const bool inputs = quantization.groups.front().scheme->quantized_activations;
    auto tensors = tensors_of_linears(c, inputs);
    auto plain = plain_tensors(c);
    tensors.insert(tensors.end(), std::make_move_iterator(plain.begin()),
                   std::make_move_iterator(plain.end()));

    const char* algorithm = inputs ? "NVFP4" : "W4A16_NVFP4";
    const Json producer = {{"name", "halfbyte"}, {"version", HALFBYTE_VERSION}};
    const auto excluded = plain_modules(c);
    Json group = {{"weights", arguments()}, {"targets", Json::array({"Linear"})}};
    if (inputs) group["input_activations"] = arguments();
    Json settings = {{"config_groups", {{"group_0", group}}},
                     {"ignore", excluded},
                     {"quant_algo", algorithm},
                     {"producer", producer},
                     {"quant_method", "modelopt"}};
    settings["halfbyte"] = to_json(quantization)["halfbyte"];
    Json config = plain_config(c);
    config["quantization_config"] = settings;
    write_folder(c, out, std::move(tensors), config);
    const Json own = {{"producer", producer},
                      {"quantization",
                       {{"quant_algo", algorithm},
                        {"kv_cache_quant_algo", nullptr},
                        {"group_size", 16},
                        {"exclude_modules", excluded}}}};
    write_file(out / "hf_quant_config.json", own.dump(2) + "\n");
    return {};
}

}  // namespace hb
