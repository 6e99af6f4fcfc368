// SPDX-License-Identifier: Apache-2.0
// From stored bytes to numbers: rows of floats, or codes and scales of FP4. In a GGUF a byte j of a
// block of n elements holds element j low and j + n/2 high; in memory and in compressed-tensors it
// holds two neighbours.
#include <cmath>
#include <cstring>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "formats/all.hpp"
#include "io/load_bytes.hpp"
#include "io/quantization_config.hpp"
#include "io/source.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

std::int64_t rows_of(const StoredTensor& tensor) {
    return tensor.info.shape.size() == 2 ? tensor.info.shape[0] : 1;
}

void check_scale(const Source& source, std::string_view name, std::string_view ending,
                 Family family, std::uint16_t bits) {
    const float scale = decode_scale(family, bits);
    if (!std::isfinite(scale) || scale < 0)
        fail("{}: tensor '{}{}' has a scale of {}; wanted a finite number that is not negative",
             source.path.string(), printable(name), ending, scale);
}

void unpack_halves(const std::byte* in, int n, std::uint8_t* codes) {
    for (int j = 0; j < n; ++j) {
        const int byte = static_cast<int>(in[j < n / 2 ? j : j - n / 2]);
        const int nibble = j < n / 2 ? byte & 15 : byte >> 4;
        if (j % 2 == 0)
            codes[j / 2] = static_cast<std::uint8_t>(nibble);
        else
            codes[j / 2] = static_cast<std::uint8_t>(codes[j / 2] | nibble << 4);
    }
}

std::span<const std::byte> packed_part(const Source& source, const std::string& name,
                                       const std::vector<std::int64_t>& shape,
                                       std::string_view dtype) {
    const auto& tensor = source.get(name);
    if (tensor.info.shape != shape || tensor.info.dtype != dtype)
        fail("{}: tensor '{}' is {} [{}], wanted {} [{}]", source.path.string(), printable(name),
             tensor.info.dtype, fmt::join(tensor.info.shape, ", "), dtype, fmt::join(shape, ", "));
    return source.bytes(tensor);
}

float read_divisor(const Source& source, const std::string& name) {
    float divisor = 0;
    std::memcpy(&divisor, packed_part(source, name, {1}, "F32").data(), 4);
    if (!(divisor > 0) || !std::isfinite(divisor))
        fail("{}: tensor '{}' is {}, wanted a positive number", source.path.string(),
             printable(name), divisor);
    return divisor;
}

struct PackedParts {
    const Source* source;
    std::string module;
    const Scheme* scheme;
    const std::byte *codes, *scales, *zeros;
    float divisor;
};

template <class Stored>
void copy_scales(const PackedParts& from, std::int64_t first, Matrix<std::uint16_t>& to) {
    const std::byte* bytes = from.scales + first * to.cols * std::int64_t{sizeof(Stored)};
    for (auto& bits : to.values) {
        bits = load<Stored>(bytes);
        bytes += sizeof(Stored);
        check_scale(*from.source, from.module, ".weight_scale", from.scheme->family, bits);
    }
}

// An I32 holds the zero points of eight rows, the first one lowest.
void copy_zeros(const PackedParts& from, std::int64_t first, Matrix<std::uint8_t>& to) {
    for (std::int64_t r = 0; r < to.rows; ++r) {
        for (std::int64_t g = 0; g < to.cols; ++g) {
            const std::byte* word = from.zeros + ((first + r) / 8 * to.cols + g) * 4;
            to(r, g) = load<std::uint32_t>(word) >> (first + r) % 8 * 4 & 15u;
        }
    }
}

void check_elements(const PackedParts& from, const Matrix<std::uint8_t>& codes) {
    for (const std::uint8_t code : codes.values)
        if ((code & E4M3::kNan) == E4M3::kNan)
            fail("{}: tensor '{}.weight' has an element that is not a number",
                 from.source->path.string(), from.module);
}

QTensor copy_rows(const PackedParts& from, std::int64_t first, std::int64_t count,
                  std::int64_t cols) {
    QTensor q = make_qtensor(*from.scheme, count, cols,
                             make_scales(*from.scheme, count, cols, from.divisor));
    // Eight codes of an I32, lowest first, are four bytes of two neighbours.
    std::memcpy(q.codes.values.data(), from.codes + first * q.codes.cols, q.codes.values.size());
    if (from.scheme->family == Family::fp8) check_elements(from, q.codes);
    if (from.scheme->zero_points()) copy_zeros(from, first, q.scales.zeros);
    if (from.scheme->scale_bits() == 16)
        copy_scales<std::uint16_t>(from, first, q.scales.bits);
    else
        copy_scales<std::uint8_t>(from, first, q.scales.bits);
    return q;
}

}  // namespace

std::int64_t stored_row(std::int64_t r, std::int64_t rows, std::int64_t heads) {
    if (heads == 0) return r;
    const auto size = rows / heads, half = size / 2, within = r % size;
    return r - within + 2 * (within % half) + within / half;
}

std::optional<Matrix<std::uint16_t>> decode_bf16_rows(const Source& source,
                                                      const StoredTensor& tensor,
                                                      std::int64_t first, std::int64_t count,
                                                      std::int64_t cols) {
    Matrix<std::uint16_t> out(count, cols);
    if (tensor.type->name == "BF16" && tensor.heads == 0) {
        const auto from = source.bytes(tensor).subspan(static_cast<std::size_t>(2 * first * cols));
        std::memcpy(out.values.data(), from.data(), 2 * out.values.size());
        return out;
    }
    const auto values = decode_rows(source, tensor, first, count, cols);
    for (std::size_t i = 0; i < out.values.size(); ++i) {
        out.values[i] = float_to_bf16(values.values[i]);
        if (bf16_to_float(out.values[i]) != values.values[i]) return std::nullopt;
    }
    return out;
}

Matrix<float> decode_stored_rows(const Source& source, const StoredTensor& tensor,
                                 std::int64_t first, std::int64_t count, std::int64_t cols) {
    if (const Derivation* derivation = tensor.derivation.get())
        return derivation->make(
            [&](std::int64_t begin, std::int64_t n) {
                return decode_rows(source, derivation->from, begin, n, cols);
            },
            first, count);
    Matrix<float> out;
    const auto& type = *tensor.type;
    const bool vector = tensor.info.shape.size() < 2;
    if (type.fp4()) {
        out = dequantize(read_fp4_blocks(source, tensor, first, count, cols));
    } else {
        out = Matrix<float>(count, cols);
        const auto blocks = cols / type.block;
        const auto* bytes = source.bytes(tensor).data();
        const auto rows = rows_of(tensor);
        for (std::int64_t r = 0; r < count; ++r)
            type.decode(bytes + stored_row(first + r, rows, vector ? 0 : tensor.heads) * blocks *
                                    type.bytes,
                        blocks, out.row(r));
    }
    if (vector && tensor.heads > 0) {
        const auto stored = out;
        for (std::int64_t c = 0; c < cols; ++c)
            out(0, c) = stored(0, stored_row(c, cols, tensor.heads));
    }
    return out;
}

Matrix<float> decode_rows(const Source& source, const StoredTensor& tensor, std::int64_t first,
                          std::int64_t count, std::int64_t cols) {
    auto out = decode_stored_rows(source, tensor, first, count, cols);
    if (tensor.info.dtype == "BF16" && tensor.type->name != "BF16")
        for (auto& x : out.values) x = round_to_bf16(x);
    if (tensor.info.dtype == "F16" && tensor.type->name != "F16")
        for (auto& x : out.values) x = f16_to_float(float_to_f16(x));
    return out;
}

QTensor read_fp4_blocks(const Source& source, const StoredTensor& tensor, std::int64_t first,
                        std::int64_t count, std::int64_t cols) {
    const auto& scheme = find_scheme(tensor.type->name == "NVFP4" ? "nvfp4a16" : "mxfp4a16");
    const int group = scheme.group, groups = tensor.type->block / group;  // of a block
    QTensor q{&scheme,
              count,
              cols,
              Matrix<std::uint8_t>(count, cols / 2),
              {tensor.divisor, Matrix<std::uint16_t>(count, cols / group)}};
    const auto blocks = cols / tensor.type->block;
    const auto* bytes = source.bytes(tensor).data();
    for (std::int64_t r = 0; r < count; ++r) {
        const auto* block = bytes + stored_row(first + r, rows_of(tensor), tensor.heads) * blocks *
                                        tensor.type->bytes;
        for (std::int64_t b = 0; b < blocks; ++b, block += tensor.type->bytes) {
            for (int g = 0; g < groups; ++g) {
                const auto column = b * groups + g;
                const auto bits = static_cast<std::uint16_t>(block[g]);
                check_scale(source, tensor.info.name, "", scheme.family, bits);
                q.scales.bits(r, column) = bits;
                unpack_halves(block + groups + g * group / 2, group,
                              q.codes.row(r) + column * group / 2);
            }
        }
    }
    return q;
}

Q8Tensor read_q8_blocks(const Source& source, const StoredTensor& tensor, std::int64_t first,
                        std::int64_t count, std::int64_t cols) {
    if (tensor.type->name != "Q8_0")
        fail("{}: tensor '{}' is {}, wanted Q8_0", source.path.string(),
             printable(tensor.info.name), tensor.type->name);
    const std::int64_t blocks = cols / Q8Tensor::kGroup;
    Q8Tensor q{count, cols, Matrix<std::int8_t>(count, cols), Matrix<std::uint16_t>(count, blocks)};
    const auto* bytes = source.bytes(tensor).data();
    for (std::int64_t r = 0; r < count; ++r) {
        const auto* block = bytes + stored_row(first + r, rows_of(tensor), tensor.heads) * blocks *
                                        tensor.type->bytes;
        for (std::int64_t b = 0; b < blocks; ++b, block += tensor.type->bytes) {
            std::memcpy(&q.scales(r, b), block, 2);
            std::memcpy(q.codes.row(r) + b * Q8Tensor::kGroup, block + 2, Q8Tensor::kGroup);
            if (!std::isfinite(f16_to_float(q.scales(r, b))))
                fail("{}: tensor '{}' has a scale of {}; wanted a finite number",
                     source.path.string(), printable(tensor.info.name),
                     f16_to_float(q.scales(r, b)));
        }
    }
    return q;
}

QuantizedRows packed_rows(const Source& source, const std::string& module, const Scheme& scheme,
                          std::int64_t rows, std::int64_t cols) {
    if (!scheme.divides(cols))
        fail("{}: '{}' has {} columns, not a multiple of {}'s group {}", source.path.string(),
             module, cols, scheme.name, scheme.group);
    const PackedLayout layout = packed_layout(scheme, rows, cols);
    const auto part = [&](const PackedPart& p) -> const std::byte* {
        if (p.name.empty()) return nullptr;
        return packed_part(source, module + p.name, p.shape, p.dtype).data();
    };
    const bool divided =
        scheme.family == Family::nv || source.find(module + ".weight_global_scale");
    const float divisor = divided ? read_divisor(source, module + ".weight_global_scale") : 1.f;
    if (!scheme.zero_points() && source.find(module + ".weight_zero_point"))
        fail("{}: '{}' has zero points, which {} has not", source.path.string(), module,
             scheme.name);
    const PackedParts parts{
        &source, module, &scheme, part(layout.codes), part(layout.scales), part(layout.zeros),
        divisor};
    return [parts, cols](std::int64_t first, std::int64_t count) {
        return copy_rows(parts, first, count, cols);
    };
}

}  // namespace hb
