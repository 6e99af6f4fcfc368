// SPDX-License-Identifier: Apache-2.0
#include "io/quantization_arguments.hpp"

namespace hb {

std::string_view format_of(Family family) {
    switch (family) {
        case Family::mx:
            return "mxfp4-pack-quantized";
        case Family::nv:
            return "nvfp4-pack-quantized";
        case Family::int8:
            return "int-quantized";
        case Family::fp8:
            return "float-quantized";
        default:
            return "pack-quantized";
    }
}

Json arguments_of(const Scheme& scheme) {
    const Family family = scheme.family;
    const bool floats = family == Family::mx || family == Family::nv || family == Family::fp8;
    Json json;
    json["num_bits"] = scheme.element_bits();
    json["type"] = floats ? "float" : "int";
    json["symmetric"] = !scheme.zero_points();
    json["strategy"] = scheme.by_row()        ? "channel"
                       : family == Family::nv ? "tensor_group"
                                              : "group";
    json["group_size"] = scheme.by_row() ? Json() : Json(scheme.group);
    json["dynamic"] = false;
    if (scheme.family == Family::nv) json["scale_dtype"] = "torch.float8_e4m3fn";
    if (scheme.family == Family::mx) json["scale_dtype"] = "torch.uint8";
    return json;
}

Json input_arguments_of(const Scheme& scheme) {
    Json json = arguments_of(scheme);
    json["dynamic"] = scheme.family == Family::nv ? Json("local") : Json(true);
    if (scheme.by_row()) json["strategy"] = "token";
    return json;
}

}  // namespace hb
