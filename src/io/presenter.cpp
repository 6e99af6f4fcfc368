// SPDX-License-Identifier: Apache-2.0
#include "io/presenter.hpp"

#include <cmath>

#include "core/error.hpp"
#include "io/safetensors.hpp"
#include "io/strict_json.hpp"

namespace hb {

Presenter::Presenter(Source& source) : source_(source), hidden_(source.tensors.size()) {
    for (std::size_t i = 0; i < source.tensors.size(); ++i)
        if (!index_.emplace(source.tensors[i].info.name, i).second)
            fail("{}: tensor '{}' occurs twice", where(), printable(source.tensors[i].info.name));
}

std::vector<std::string> Presenter::modules(std::string_view ending) const {
    std::vector<std::string> found;
    for (const auto& [name, i] : index_)
        if (name.size() > ending.size() && name.ends_with(ending))
            found.push_back(name.substr(0, name.size() - ending.size()));
    return found;
}

StoredTensor* Presenter::find(const std::string& name) {
    const auto it = index_.find(name);
    return it == index_.end() ? nullptr : &source_.tensors[it->second];
}

StoredTensor& Presenter::need(const std::string& name) {
    StoredTensor* tensor = find(name);
    if (!tensor) fail("{}: tensor '{}' is missing", where(), printable(name));
    return *tensor;
}

float Presenter::single(const std::string& name) {
    const StoredTensor& tensor = need(name);
    const auto& shape = tensor.info.shape;
    if (!tensor.type || !(shape.empty() || shape == std::vector<std::int64_t>{1}))
        fail("{}: tensor '{}' is {} [{}], wanted one number", where(), printable(name),
             tensor.info.dtype, fmt::join(shape, ", "));
    float value = 0;
    tensor.type->decode(source_.bytes(tensor).data(), 1, &value);
    if (!(value > 0) || !std::isfinite(value))
        fail("{}: tensor '{}' is {}, wanted a positive number", where(), printable(name), value);
    return value;
}

void Presenter::rename(const std::string& from, const std::string& to, std::string_view dtype) {
    auto& tensor = need(from);
    if (dtype_bytes(tensor.info.dtype) != dtype_bytes(dtype))
        fail("{}: tensor '{}' is {}, wanted {}", where(), printable(from), tensor.info.dtype,
             dtype);
    tensor.info.name = to;
    tensor.info.dtype = tensor.info.stored_type = std::string(dtype);
    tensor.type = find_stored_type(dtype);
}

void Presenter::rename_as_float(const std::string& from, const std::string& to, float value) {
    if (!(value > 0) || !std::isfinite(value))
        fail("{}: tensor '{}' stands for the divisor {}, wanted a positive number", where(),
             printable(from), value);
    auto& tensor = need(from);
    tensor.info.name = to;
    tensor.info.shape = {1};
    tensor.info.dtype = tensor.info.stored_type = "F32";
    tensor.type = find_stored_type("F32");
    tensor.value = value;
}

void Presenter::hide(const std::string& name) {
    if (const auto it = index_.find(name); it != index_.end()) hidden_[it->second] = true;
}

void Presenter::finish() {
    std::vector<StoredTensor> kept;
    for (std::size_t i = 0; i < source_.tensors.size(); ++i)
        if (!hidden_[i]) kept.push_back(std::move(source_.tensors[i]));
    source_.tensors = std::move(kept);
}

float divisor_of(float multiplier, std::optional<float> original) {
    return original && 1 / *original == multiplier ? *original : 1 / multiplier;
}

}  // namespace hb
