// SPDX-License-Identifier: Apache-2.0
// A quantized matrix as compressed-tensors' tensors. A byte of codes holds two neighbours in both
// layouts, and an I32 of INT4 is four such bytes, so codes are copied as they are.
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

}  // namespace

std::vector<TensorToWrite> tensors_of(const std::string& module, const QTensor& weight,
                                      float input_divisor) {
    const auto q = std::make_shared<const QTensor>(weight);
    const Scheme& scheme = *q->scheme;
    const bool integer = scheme.family == Family::integer, nv = scheme.family == Family::nv;
    const std::int64_t groups = q->cols / scheme.group;
    std::vector<TensorToWrite> tensors;
    tensors.push_back({module + ".weight_packed",
                       integer ? "I32" : "U8",
                       {q->rows, integer ? q->cols / 8 : q->cols / 2},
                       [q] { return raw(q->codes.values.data(), q->codes.values.size()); }});
    tensors.push_back({module + ".weight_scale",
                       integer ? "BF16"
                       : nv    ? "F8_E4M3"
                               : "U8",
                       {q->rows, groups},
                       [q] { return scale_bytes(*q); }});
    if (integer) {
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
