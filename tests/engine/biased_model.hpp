// SPDX-License-Identifier: Apache-2.0
// A model with a bias on every linear, made of one that has none.
#pragma once

#include <cstring>
#include <filesystem>

#include "core/file.hpp"
#include "core/float_bits.hpp"
#include "core/random.hpp"
#include "io/checkpoint.hpp"
#include "io/safetensors.hpp"

namespace hb {

inline void write_biased(const std::string& model, const std::filesystem::path& folder) {
    const Checkpoint plain = Checkpoint::open(model);
    Json config = plain.config();
    config["attention_bias"] = config["mlp_bias"] = true;
    std::vector<TensorToWrite> tensors;
    for (const TensorInfo& info : plain.tensors()) {
        tensors.push_back({info.name, info.dtype, info.shape,
                           [&plain, name = info.name] { return plain.read_bytes(name); }});
        if (!info.name.ends_with("proj.weight")) continue;
        const auto module = info.name.substr(0, info.name.rfind('.'));
        const std::uint64_t seed = tensors.size();
        tensors.push_back({module + ".bias", "BF16", {info.shape[0]}, [n = info.shape[0], seed] {
                               Random random{seed};
                               std::vector<std::byte> bytes(static_cast<std::size_t>(2 * n));
                               for (std::int64_t i = 0; i < n; ++i) {
                                   const auto bits = float_to_bf16(0.3f * random.normal());
                                   std::memcpy(bytes.data() + 2 * i, &bits, 2);
                               }
                               return bytes;
                           }});
    }
    write_safetensors(folder / "model.safetensors", std::move(tensors));
    write_file(folder / "config.json", config.dump());
}

}  // namespace hb
