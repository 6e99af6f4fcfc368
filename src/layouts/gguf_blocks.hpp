// SPDX-License-Identifier: Apache-2.0
// Weights in a GGUF's blocks. NVFP4 is blocks of 64: four E4M3 bytes, then 16 elements in 8 bytes
// four times; MXFP4 blocks of 32: an E8M0 byte, then 16 bytes. A byte j of n elements holds element
// j low and j + n/2 high. Q8_0 is blocks of 32: an fp16 scale, then 32 bytes.
#pragma once

#include "io/stored_type.hpp"
#include "layouts/layout.hpp"

namespace hb {

// Throws Error when a GGUF has no such blocks, or the columns are not whole ones.
const StoredType& block_type(const Contents& contents, const QuantizedLinear& linear);
// heads: of rows in interleaved RoPE order, else 0
std::vector<std::byte> pack_blocks(const Contents& contents, const QuantizedLinear& linear,
                                   const StoredType& type, std::int64_t heads);
// Q8_0 blocks, those of another GGUF as they were.
std::vector<std::byte> q8_blocks(const Checkpoint& from, const PlainTensor& tensor);
// Rows of equal width where arch llama wants them.
std::vector<std::byte> permute_rows(const std::vector<std::byte>& bytes, std::int64_t rows,
                                    std::int64_t heads);

}  // namespace hb
