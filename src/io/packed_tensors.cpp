// SPDX-License-Identifier: Apache-2.0
// A quantized matrix as compressed-tensors' tensors. A byte of codes holds two neighbours in both
// layouts, and an I32 of INT4 is four such bytes, so codes are copied as they are; those of 8 bits
// are the elements of a tensor `weight`. An I32 of zero points holds those of eight rows.
#include <cmath>
#include <cstring>
#include <memory>

#include "core/error.hpp"
#include "io/quantization_config.hpp"

namespace hb {
namespace {

template <class T>
std::vector<std::byte> raw(const T* values, std::size_t n) {
    const auto* p = reinterpret_cast<const std::byte*>(values);
    return {p, p + n * sizeof(T)};
}

TensorToWrite scalar(std::string name, float value) {
    if (!(value > 0) || !std::isfinite(value))
        fail("'{}' would be {}, wanted a positive number", name, value);
    return {std::move(name), "F32", {1}, [value] { return raw(&value, 1); }};
}

std::vector<std::byte> scale_bytes(const QTensor& q) {
    const auto& bits = q.scales.bits.values;
    if (q.scheme->scale_bits() == 16) return raw(bits.data(), bits.size());
    std::vector<std::byte> bytes(bits.size());
    for (std::size_t i = 0; i < bits.size(); ++i) bytes[i] = static_cast<std::byte>(bits[i]);
    return bytes;
}

std::vector<std::byte> zero_bytes(const QTensor& q) {
    const Matrix<std::uint8_t>& zeros = q.scales.zeros;
    Matrix<std::uint32_t> words((q.rows + 7) / 8, zeros.cols);
    for (std::int64_t r = 0; r < q.rows; ++r)
        for (std::int64_t g = 0; g < zeros.cols; ++g)
            words(r / 8, g) |= std::uint32_t{zeros(r, g)} << r % 8 * 4;
    return raw(words.values.data(), words.values.size());
}

}  // namespace

PackedLayout packed_layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
    const std::int64_t groups = scheme.groups(cols);
    const PackedPart words{".weight_packed", "I32", {rows, cols / 8}},
        bytes{".weight_packed", "U8", {rows, cols / 2}};
    const auto scales = [&](const char* dtype) {
        return PackedPart{".weight_scale", dtype, {rows, groups}};
    };
    const PackedPart zeros{".weight_zero_point", "I32", {(rows + 7) / 8, groups}};
    switch (scheme.family) {
        case Family::mx:
            return {bytes, scales("U8"), {}};
        case Family::nv:
            return {bytes, scales("F8_E4M3"), {}};
        case Family::integer:
            return {words, scales("BF16"), {}};
        case Family::zeroed:
            return {words, scales("BF16"), zeros};
        case Family::int8:
            return {{".weight", "I8", {rows, cols}}, scales("BF16"), {}};
        default:
            return {{".weight", "F8_E4M3", {rows, cols}}, scales("BF16"), {}};
    }
}

std::vector<TensorToWrite> tensors_of(const std::string& module, const QTensor& weight,
                                      float input_divisor) {
    const auto q = std::make_shared<const QTensor>(weight);
    const Scheme& scheme = *q->scheme;
    const PackedLayout layout = packed_layout(scheme, q->rows, q->cols);
    const bool nv = scheme.family == Family::nv;
    std::vector<TensorToWrite> tensors;
    tensors.push_back({module + layout.codes.name, layout.codes.dtype, layout.codes.shape,
                       [q] { return raw(q->codes.values.data(), q->codes.values.size()); }});
    tensors.push_back({module + layout.scales.name, layout.scales.dtype, layout.scales.shape,
                       [q] { return scale_bytes(*q); }});
    if (scheme.zero_points())
        tensors.push_back({module + layout.zeros.name, layout.zeros.dtype, layout.zeros.shape,
                           [q] { return zero_bytes(*q); }});
    if (scheme.family == Family::integer || scheme.family == Family::zeroed) {
        tensors.push_back({module + ".weight_shape", "I64", {2}, [q] {
                               const std::int64_t shape[2] = {q->rows, q->cols};
                               return raw(shape, 2);
                           }});
    } else if (nv || q->scales.divisor != 1) {
        tensors.push_back(scalar(module + ".weight_global_scale", q->scales.divisor));
    }
    if (nv && scheme.quantized_activations)
        tensors.push_back(scalar(module + ".input_global_scale", input_divisor));
    return tensors;
}

}  // namespace hb
