// SPDX-License-Identifier: Apache-2.0
// The table of schemes, and what a family's codes are worth.
#include "schemes/scheme.hpp"

#include <string>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "schemes/element.hpp"

namespace hb {

namespace {

constexpr Family kMx = Family::mx, kNv = Family::nv, kInteger = Family::integer;
constexpr Family kZeroed = Family::zeroed, kInt8 = Family::int8, kFp8 = Family::fp8;
constexpr Family kMxInt8 = Family::mxint8;
constexpr Scheme kSchemes[] = {
    {"mxfp4", "MXFP4 weights and activations", kMx, 32, true, "ceil7.25", "ceil7.25"},
    {"nvfp4", "NVFP4 weights and activations", kNv, 16, true, "sweep", "sweep"},
    {"mxfp4a16", "MXFP4 weights, 16-bit activations", kMx, 32, false, "mse", ""},
    {"nvfp4a16", "NVFP4 weights, 16-bit activations", kNv, 16, false, "sweep", ""},
    {"int4g32", "INT4 weights, 32 to a bf16 scale", kInteger, 32, false, "mse", ""},
    {"int4g128", "INT4 weights, 128 to a bf16 scale", kInteger, 128, false, "mse", ""},
    {"int4g128a", "INT4 weights, 128 to a bf16 scale and a zero point", kZeroed, 128, false, "mse",
     ""},
    {"int8", "INT8 weights and activations, a scale a row and a token", kInt8, 0, true, "absmax",
     "absmax"},
    {"fp8", "E4M3 weights and activations, a scale a row and a token", kFp8, 0, true, "absmax",
     "absmax"},
};
constexpr Scheme kInputSchemes[] = {
    {"mxint8", "MXINT8 inputs of weight-only linears", kMxInt8, 32, true, "", "rceil"},
};

}  // namespace

std::span<const Scheme> all_schemes() {
    return kSchemes;
}

const Scheme& find_scheme(std::string_view name) {
    std::string known;
    for (const Scheme& scheme : kSchemes) {
        if (scheme.name == name) return scheme;
        known += (known.empty() ? "" : ", ") + std::string(scheme.name);
    }
    fail("unknown scheme '{}'; choose one of: {}", name, known);
}

std::span<const Scheme> all_input_schemes() {
    return kInputSchemes;
}

float decode_scale(Family family, std::uint16_t bits) {
    switch (family) {
        case Family::mx:
        case Family::mxint8:
            return E8M0::decode(static_cast<std::uint8_t>(bits));
        case Family::nv:
            return E4M3::decode(static_cast<std::uint8_t>(bits));
        default:
            return bf16_to_float(bits);
    }
}

float decode_element(Family family, std::uint8_t code) {
    return with_element(family, [=](auto element) { return decltype(element)::decode(code); });
}

std::uint8_t encode_element(Family family, float x) {
    return with_element(family, [=](auto element) { return decltype(element)::encode(x); });
}

}  // namespace hb
