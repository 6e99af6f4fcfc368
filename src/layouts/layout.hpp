// SPDX-License-Identifier: Apache-2.0
// A layout is a way to put a quantized model on disk. `write` either writes all of it, exactly, or
// throws Error with the reason and a way out. A new layout is a file and a line in layouts.cpp; the
// reading half of each stands in src/io behind Checkpoint::open.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "layouts/contents.hpp"

namespace hb {

struct WriteOptions {
    bool allow_loss = false;
    bool q8_head = false;  // gguf: embedding and head in Q8_0, rounded
};

// What a reader of OUT sees otherwise than a reader of IN, one line each: no loss of weights.
using Notes = std::vector<std::string>;

struct Layout {
    std::string_view name, help;
    std::string_view holds;              // schemes
    std::string_view rotations, factor;  // online rotations; MXFP4's divisor of 3
    bool folder;                         // else a single file
    Notes (*write)(const Contents& contents, const std::filesystem::path& out,
                   const WriteOptions& options);
};

std::span<const Layout> all_layouts();
const Layout& find_layout(std::string_view name);  // throws Error naming the known ones

// One file each.
Notes write_compressed_tensors(const Contents&, const std::filesystem::path&, const WriteOptions&);
Notes write_halfbyte(const Contents&, const std::filesystem::path&, const WriteOptions&);
Notes write_fp_quant(const Contents&, const std::filesystem::path&, const WriteOptions&);
Notes write_modelopt(const Contents&, const std::filesystem::path&, const WriteOptions&);
Notes write_gguf_model(const Contents&, const std::filesystem::path&, const WriteOptions&);
Notes write_bf16(const Contents&, const std::filesystem::path&, const WriteOptions&);

}  // namespace hb
