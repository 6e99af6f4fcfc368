// SPDX-License-Identifier: Apache-2.0
#include "engine/storage.hpp"

#include "core/error.hpp"

namespace hb {

WeightStorage storage_for_many_rows(const Kernels& kernels) {
    constexpr std::int64_t kManyRows = 1024;
    return multiplies_whole_numbers(kernels, kManyRows) ? WeightStorage::mx_codes
                                                        : WeightStorage::tiles;
}

KvType find_kv_type(std::string_view name) {
    if (name == "auto") return KvType::same;
    if (name == "bf16") return KvType::bf16;
    if (name == "int8") return KvType::int8;
    fail("unknown type '{}' of keys and values; choose one of: auto, bf16, int8", name);
}

const Scheme* find_activations(std::string_view name) {
    for (const Scheme& scheme : all_input_schemes())
        if (scheme.name == name) return &scheme;
    if (name == "stored") return nullptr;
    fail("unknown type '{}' of activations; choose one of: {}", name, activation_names());
}

std::string activation_names() {
    std::string names = "stored";
    for (const Scheme& scheme : all_input_schemes()) names += ", " + std::string(scheme.name);
    return names;
}

bool keeps_codes(Family family, WeightStorage storage) {
    const bool coded = family == Family::mx || family == Family::nv || family == Family::int8;
    return storage == WeightStorage::codes
               ? coded
               : storage == WeightStorage::mx_codes && family == Family::mx;
}

}  // namespace hb
