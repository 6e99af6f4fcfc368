// SPDX-License-Identifier: Apache-2.0
// How a tensor's elements lie in a file: plain floats, or ggml's blocks of quantized values. One
// line of the table is one type; decode gives fp32 values by ggml's formulas, operation by
// operation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace hb {

struct StoredType {
    std::string_view name;
    int ggml;          // its number in a GGUF, -1 where there is none
    int block, bytes;  // elements and bytes of a block
    // `blocks` blocks in a row; null for the FP4 types, which are read as a QTensor.
    void (*decode)(const std::byte* in, std::int64_t blocks, float* out);

    bool plain() const { return block == 1; }
    bool fp4() const { return decode == nullptr; }
};

std::span<const StoredType> all_stored_types();
const StoredType* find_stored_type(std::string_view name);  // null when unknown
const StoredType* find_ggml_type(std::uint32_t number);     // null when unknown

}  // namespace hb
