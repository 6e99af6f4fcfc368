// SPDX-License-Identifier: Apache-2.0
// A block-diagonal orthogonal transform of the input dimension: x' = x . diag(T, ..., T), block by
// block, and W' = W . diag(T, ..., T), so that x' W'^T = x W^T. Weights are transformed once,
// offline; activations online.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/matrix.hpp"

namespace hb {

struct TransformKind {
    std::string_view name, help;
    bool power_of_two;                                        // needs such a block
    void (*apply)(float* x, int block, std::uint64_t seed);   // one block, in place, fast
    Matrix<double> (*matrix)(int block, std::uint64_t seed);  // T, x' = x T; the definition
    bool seeded = false;                                      // depends on the seed
};

struct Transform {
    const TransformKind* kind = nullptr;  // null: identity
    int block = 1;
    std::uint64_t seed = 0;

    bool identity() const { return kind == nullptr; }
    std::string text() const;  // "hadamard:64", "none"; what parse_transform reads
    bool operator==(const Transform&) const = default;
};

std::span<const TransformKind> all_transforms();

// "none", "auto" (hadamard, the largest block up to 128 that divides), "hadamard" (same block
// choice), "KIND:BLOCK". Throws Error when the name is unknown or the block does not divide
// `dimension`.
Transform parse_transform(std::string_view text, std::int64_t dimension, std::uint64_t seed);

void apply(const Transform& t, View<float> rows);  // (rows, dimension), in place

}  // namespace hb
