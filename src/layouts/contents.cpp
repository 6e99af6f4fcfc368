// SPDX-License-Identifier: Apache-2.0
#include "layouts/contents.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "model/model_tensors.hpp"

namespace hb {
namespace {

constexpr std::string_view kParts[] = {
    ".weight",       ".weight_packed",     ".weight_scale",      ".weight_global_scale",
    ".weight_shape", ".weight_zero_point", ".input_global_scale"};

bool is_plain_type(std::string_view name) {
    return name == "F32" || name == "F16" || name == "BF16";
}

std::vector<QuantizedLinear> find_linears(const Contents& c) {
    const Checkpoint& from = *c.checkpoint;
    std::vector<QuantizedLinear> linears;
    for (std::int64_t layer = 0; layer < c.model.layers; ++layer) {
        for (const LinearName& linear : block_linears()) {
            const auto [out, in] = linear_shape(c.model, linear.name);
            QuantizedLinear found{module_name(layer, linear.name), nullptr, out, in, 1, {}, {}};
            found.read = from.quantized_rows(found.module, out, in);
            if (!found.read) continue;
            const QTensor head = found.read(0, 1);
            found.scheme = c.quantization->group_of(found.module).scheme;
            found.divisor = head.scales.divisor;
            if (const auto name = found.module + ".input_global_scale"; from.has(name))
                found.input_divisor = from.read(name, 1, 1)(0, 0);
            linears.push_back(std::move(found));
        }
    }
    return linears;
}

// Whether the values are those of the type that is presented.
bool fits_presented(const Checkpoint& from, const PlainTensor& tensor) {
    const std::int64_t rows = rows_of(tensor), cols = cols_of(tensor);
    for (std::int64_t first = 0; first < rows; first += part_rows(cols)) {
        const std::int64_t count = std::min(part_rows(cols), rows - first);
        const auto part = from.read_stored_rows(tensor.name, first, count, cols);
        from.drop_rows(tensor.name, first, count);
        for (const float x : part.values)
            if (round_to_bf16(x) != x) return false;
    }
    return true;
}

PlainTensor describe(const Checkpoint& from, const TensorInfo& info) {
    PlainTensor tensor{info.name, info.dtype, info.shape, info.stored_type};
    tensor.number = is_plain_type(info.dtype);
    if (info.dtype == info.stored_type || info.dtype != "BF16" || fits_presented(from, tensor))
        return tensor;
    if (is_plain_type(info.stored_type))
        tensor.dtype = info.stored_type;
    else
        tensor.rounds = true;
    return tensor;
}

}  // namespace

Contents contents_of(const Checkpoint& checkpoint) {
    Contents c;
    c.checkpoint = &checkpoint;
    c.model = model_config(checkpoint);
    check_model_tensors(checkpoint, c.model);
    c.quantization = quantization_config_of(checkpoint.config());
    if (c.quantization) c.linears = find_linears(c);
    std::set<std::string> taken;
    for (const auto& linear : c.linears)
        for (const auto part : kParts) taken.insert(linear.module + std::string(part));
    if (c.model.tied) taken.insert("lm_head.weight");
    for (const TensorInfo& info : checkpoint.tensors())
        if (!taken.contains(info.name)) c.tensors.push_back(describe(checkpoint, info));
    return c;
}

std::int64_t rows_of(const PlainTensor& tensor) {
    return tensor.shape.size() == 2 ? tensor.shape[0] : 1;
}

std::int64_t cols_of(const PlainTensor& tensor) {
    return tensor.shape.empty() ? 1 : tensor.shape.back();
}

std::vector<std::byte> read_plain(const Checkpoint& checkpoint, const PlainTensor& tensor) {
    auto bytes = tensor.dtype == checkpoint.find(tensor.name)->dtype
                     ? checkpoint.read_bytes(tensor.name)
                     : std::vector<std::byte>{};
    if (bytes.empty()) {
        const auto values =
            checkpoint.read_stored_rows(tensor.name, 0, rows_of(tensor), cols_of(tensor));
        for (const float x : values.values) {
            const std::uint16_t half = float_to_f16(x);
            const auto part = tensor.dtype == "F32" ? std::as_bytes(std::span(&x, 1))
                                                    : std::as_bytes(std::span(&half, 1));
            bytes.insert(bytes.end(), part.begin(), part.end());
        }
    }
    checkpoint.drop(tensor.name);
    return bytes;
}

std::int64_t part_rows(std::int64_t cols) {
    return std::max<std::int64_t>(1, (1 << 20) / cols);
}

float reciprocal(float divisor, const std::string& field) {
    const float r = 1 / divisor;
    if (!(r > 1e-30f && r < 1e30f))
        fail(
            "'{}' would be {}, the reciprocal of {}, which readers refuse: convert to "
            "compressed-tensors, which stores the divisor itself",
            field, r, divisor);
    return r;
}

std::optional<float> original_of(float divisor) {
    return 1 / (1 / divisor) == divisor ? std::nullopt : std::optional(divisor);
}

std::vector<std::string> plain_modules(const Contents& c) {
    std::set<std::string> quantized;
    for (const auto& linear : c.linears) quantized.insert(linear.module);
    std::vector<std::string> modules{"lm_head"};
    for (std::int64_t layer = 0; layer < c.model.layers; ++layer)
        for (const LinearName& linear : block_linears())
            if (const auto module = module_name(layer, linear.name); !quantized.contains(module))
                modules.push_back(module);
    return modules;
}

}  // namespace hb
