// SPDX-License-Identifier: Apache-2.0
// Reads ModelOpt's NVFP4 (`quant_method: modelopt`, or only hf_quant_config.json). Per linear M:
//     weight U8 (out, in/2), weight_scale E4M3 (out, in/16), as compressed-tensors' but for the
//     name weight_scale_2, input_scale: F32 multipliers, the reciprocals of our divisors
// Algorithm NVFP4 quantizes activations under input_scale, W4A16_NVFP4 does not.
#include "core/error.hpp"
#include "io/json_fields.hpp"
#include "io/presenter.hpp"
#include "io/quantization_config.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

const Scheme& scheme_of(const Source& source, const Json& settings) {
    const auto where = source.path.string();
    const auto it = settings.find("quant_algo");
    if (it == settings.end() || (*it != "NVFP4" && *it != "W4A16_NVFP4"))
        fail("{}: ModelOpt's 'quant_algo' is {}; supported are NVFP4 and W4A16_NVFP4", where,
             it == settings.end() ? "absent" : shown(*it));
    for (const char* name : {"kv_cache_quant_algo", "kv_cache_scheme"})
        if (find_field(settings, name))
            fail("{}: ModelOpt's '{}' is {}; a quantized KV cache is not supported", where, name,
                 shown(settings[name]));
    if (find_field(settings, "group_size") && settings["group_size"] != 16)
        fail("{}: ModelOpt's 'group_size' is {}, wanted 16", where, shown(settings["group_size"]));
    return find_scheme(*it == "NVFP4" ? "nvfp4" : "nvfp4a16");
}

// ModelOpt's patterns have '*' for any text; ours are names or regular expressions.
std::string as_pattern(const std::string& text) {
    if (text.find('*') == std::string::npos) return text;
    std::string pattern = "re:";
    for (const char c : text) {
        if (c == '*') pattern += '.';
        if (std::string_view(".+?()[]{}|^$\\").find(c) != std::string_view::npos) pattern += '\\';
        pattern += c;
    }
    return pattern + "$";
}

void rename_module(Presenter& in, const std::string& m, const Scheme& scheme) {
    if (in.find(m + ".pre_quant_scale"))
        fail("{}: tensor '{}.pre_quant_scale' (NVFP4_AWQ) is not supported", in.where(),
             printable(m));
    in.rename(m + ".weight", m + ".weight_packed", "U8");
    in.rename(m + ".weight_scale", m + ".weight_scale", "F8_E4M3");
    const auto divisor = [&](const std::string& name) {
        return divisor_of(in.single(name), in.need(name).original);
    };
    in.rename_as_float(m + ".weight_scale_2", m + ".weight_global_scale",
                       divisor(m + ".weight_scale_2"));
    if (scheme.quantized_activations || in.find(m + ".input_scale"))
        in.rename_as_float(m + ".input_scale", m + ".input_global_scale",
                           divisor(m + ".input_scale"));
}

}  // namespace

void present_modelopt(Source& source, const Json& settings) {
    QuantizationConfig c;
    const Scheme& scheme = scheme_of(source, settings);
    c.groups = {{&scheme, "", scheme.quantized_activations ? "absmax" : ""}};
    const char* list = settings.contains("exclude_modules") ? "exclude_modules" : "ignore";
    for (const auto& text :
         texts_or(settings, list, {}, source.path.string() + ": ModelOpt's settings"))
        c.ignore.push_back(as_pattern(text));
    Presenter in(source);
    for (const auto& module : in.modules(".weight_scale_2")) rename_module(in, module, scheme);
    in.finish();
    source.config["quantization_config"] = presented_config(c, settings, source.path.string());
}

}  // namespace hb
