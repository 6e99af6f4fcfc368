// SPDX-License-Identifier: Apache-2.0
// From a call to the kernel of its rule, after everything in it was looked at.
#include <cmath>

#include "gpu/rotate_rules.hpp"

namespace hb::gpu {

namespace {

struct Entry {
    Format format;
    Rule rule;
    Status (*rotate)(const QuantizeArgs&, Front, Stream);
    Status (*by_matrix)(const QuantizeArgs&, const void* matrix, Stream);
};

template <Format kFormat, Rule kRule>
constexpr Entry kEntry = {kFormat, kRule, launch_rotate<kRule>, launch_matrix<kRule>};

constexpr Entry kRules[] = {
    kEntry<Format::mxfp4, Rule::fp_quant>,
    kEntry<Format::mxfp4, Rule::ceil725>,
    kEntry<Format::mxfp4, Rule::mse>,
    kEntry<Format::nvfp4, Rule::absmax>,
    kEntry<Format::nvfp4, Rule::four_over_six>,
    kEntry<Format::nvfp4, Rule::sweep4>,
    kEntry<Format::nvfp4, Rule::sweep8>,
    {Format::fp8, Rule::absmax, rotate_fp8, nullptr},
    {Format::int8, Rule::absmax, rotate_int8, nullptr},
};

bool aligned(const void* p) {
    return reinterpret_cast<std::uintptr_t>(p) % 16 == 0;
}

Status check(const QuantizeCall& c) {
    const int group = c.format == Format::mxfp4 ? 32 : 16;
    if (c.rows < 0 || c.cols < 0) return refuse("quantize: a negative shape");
    if (c.cols % group) return refuse("quantize: the columns do not divide into groups");
    if (c.rows * ((c.cols + 31) / 32) >= std::int64_t{1} << 31 || c.rows > INT32_MAX)
        return refuse("quantize: more than 2^36 elements");
    const int block = c.rotation.block;
    if (block != 1 && block != 16 && block != 32 && block != 64 && block != 128)
        return refuse("quantize: a rotation's block is 16, 32, 64 or 128");
    if (c.cols % block) return refuse("quantize: the rotation's block does not divide the columns");
    if (c.x_stride % 8 || c.x_stride < c.cols)
        return refuse("quantize: x_stride must be a multiple of 8 and at least the columns");
    if (c.rows == 0 || c.cols == 0) return {};
    if (!c.x || !c.codes || !c.scales) return refuse("quantize: a null pointer");
    if ((c.format == Format::fp8 || c.format == Format::int8) &&
        (c.scale_layout == ScaleLayout::swizzled || reinterpret_cast<std::uintptr_t>(c.scales) % 4))
        return refuse("quantize: a row's scale is one fp32, in a plain array");
    if (!aligned(c.x) || !aligned(c.codes) || !aligned(c.front_operand))
        return refuse("quantize: x, codes and the front's operand must be aligned to 16 bytes");
    if ((c.front == Front::none) != (c.front_operand == nullptr))
        return refuse("quantize: a front and its operand go together");
    const bool bytes = c.format == Format::fp8 || c.format == Format::int8;
    if (c.rotation.matrix && (bytes || c.front != Front::none || block == 1))
        return refuse(
            "quantize: a matrix rotates blocks of 16 to 128 to FP4, with nothing in front");
    if (c.output == Output::folded &&
        (c.format != Format::mxfp4 || c.rotation.matrix || c.cols % 32 ||
         c.scale_layout == ScaleLayout::swizzled || reinterpret_cast<std::uintptr_t>(c.scales) % 4))
        return refuse("quantize: what is folded is MXFP4 without a matrix, a factor a row");
    if (c.extra_rows < 0 || (c.extra_rows > 0 && (!c.extra_of || !c.extra_count)))
        return refuse("quantize: extra rows need their list and count");
    if (!(c.divisor > 0 && std::isfinite(c.divisor)))
        return refuse("quantize: the divisor must be positive and finite");
    return {};
}

float hadamard_factor(int block) {
    return static_cast<float>(1 / std::sqrt(static_cast<double>(block)));
}

}  // namespace

Status quantize(const QuantizeCall& c, Stream stream) {
    if (const Status status = check(c); !status.ok()) return status;
    const QuantizeArgs args{static_cast<const std::uint16_t*>(c.x),
                            static_cast<const std::uint16_t*>(c.front_operand),
                            c.x_stride,
                            c.rows,
                            c.cols,
                            static_cast<unsigned>((c.cols + 31) / 32),
                            c.rotation.block,
                            hadamard_factor(c.rotation.block),
                            c.divisor,
                            c.epsilon,
                            static_cast<std::uint8_t*>(c.codes),
                            static_cast<std::uint8_t*>(c.scales),
                            c.scale_layout == ScaleLayout::swizzled,
                            c.extra_rows,
                            c.extra_of,
                            c.extra_count};
    for (const Entry& entry : kRules) {
        if (entry.format != c.format || entry.rule != c.rule) continue;
        if (c.rows == 0 || c.cols == 0) return {};
        if (c.output == Output::folded) return rotate_folded(args, c.rule, c.front, stream);
        if (c.rotation.matrix) {
            QuantizeArgs plain = args;
            plain.factor = 1;
            return entry.by_matrix(plain, c.rotation.matrix, stream);
        }
        return entry.rotate(args, c.front, stream);
    }
    return refuse("quantize: this rule is not one of the format's");
}

}  // namespace hb::gpu
