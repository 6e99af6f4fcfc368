// SPDX-License-Identifier: Apache-2.0
// Rows of token ids from a file: .i32 (little-endian int32 rows), .txt (tokenized as one string),
// .jsonl (the field "text" of every line, tokenized one by one and joined by the end token). Used
// for calibration and evaluation alike.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/matrix.hpp"
#include "io/checkpoint.hpp"
#include "model/config.hpp"
#include "text/tokenizer.hpp"

namespace hb {

Tokenizer load_tokenizer(const Checkpoint& checkpoint);

// All ids of the file in order. Throws Error: empty, size not a multiple of 4, id outside the
// vocabulary, a line that is not JSON or has no "text", an unknown ending.
std::vector<std::int32_t> read_tokens(const std::filesystem::path& file,
                                      const Checkpoint& checkpoint, const ModelConfig& config);

// Up to `sequences` rows of `length` consecutive ids, spread evenly over the stream (in order and
// gapless when the stream is just long enough); fewer when there are fewer. One shorter row when
// the stream is short.
Matrix<std::int32_t> cut_rows(const std::vector<std::int32_t>& tokens, std::int64_t sequences,
                              std::int64_t length);  // (sequences, length)

}  // namespace hb
