// SPDX-License-Identifier: Apache-2.0
// How weights lie in memory.
#pragma once

#include <string>
#include <string_view>

#include "kernels/kernels.hpp"

namespace hb {

// MX, NV and INT8 weights in memory: in their codes, a quarter or half of the bytes that decoding
// must read, or as the bf16 tiles that they stand for, ready for many rows at a time; or MX as
// codes and the others as tiles, for a table that multiplies MX codes in whole numbers. The
// products' bits are the same.
enum class WeightStorage { codes, tiles, mx_codes };
WeightStorage storage_for_many_rows(const Kernels& kernels);
bool keeps_codes(Family family, WeightStorage storage);

// Of the head, and of the embedding where both are one tensor. `stored` keeps the file's type where
// products can read it (Q8_0, MXFP4, NVFP4 and what bf16 holds exactly; fp32 for the rest); the
// others are rounded to when the model is loaded, unless the file holds them already.
enum class HeadType { stored, bf16, q8_0, q8_0a8, mxfp4, nvfp4 };

// Of keys and values, in the cache: as attention's operands are (`same`: bf16 in a quantized model,
// fp32 in a baseline), or bf16 or int8 codes, with which attention's other operands are bf16 too.
enum class KvType { same, bf16, int8 };
KvType find_kv_type(std::string_view name);  // "auto" is the same; throws Error naming the known

// What the inputs of weight-only linears are rounded to: nothing ("stored": null) or an input
// scheme.
const Scheme* find_activations(std::string_view name);  // throws Error naming the known ones
std::string activation_names();                         // "stored, mxint8"

HeadType find_head_type(std::string_view name);  // throws Error naming the known ones
std::string head_type_names();                   // "stored, bf16, ..."

}  // namespace hb
