// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/error.hpp"
#include "io/safetensors.hpp"

namespace hb {
namespace {

namespace fs = std::filesystem;

std::uint64_t byte_size(const TensorToWrite& tensor) {
    const int size = dtype_bytes(tensor.dtype);
    if (size == 0) fail("tensor '{}': cannot write dtype '{}'", tensor.name, tensor.dtype);
    std::uint64_t bytes = static_cast<std::uint64_t>(size);
    for (const auto n : tensor.shape) bytes *= static_cast<std::uint64_t>(n);
    return bytes;
}

void sort_canonically(std::vector<TensorToWrite>& tensors) {
    std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
        const int x = dtype_bytes(a.dtype), y = dtype_bytes(b.dtype);
        return x != y ? x > y : a.name < b.name;
    });
}

std::string header_of(const std::vector<TensorToWrite>& tensors) {
    Json header;
    header["__metadata__"] = {{"format", "pt"}};
    for (const auto& tensor : tensors)
        if (tensor.original)
            header["__metadata__"][original_key(tensor.name)] = fmt::format("{}", *tensor.original);
    std::string text = header.dump();
    text.pop_back();  // the closing brace
    std::uint64_t offset = 0;
    for (const auto& tensor : tensors) {
        const auto end = offset + byte_size(tensor);
        const Json entry = {
            {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
        text += fmt::format(",{}:{}", Json(tensor.name).dump(), entry.dump());
        offset = end;
    }
    text += "}";
    text.append((8 - text.size() % 8) % 8, ' ');
    return text;
}

// Consecutive tensors, in order of name, of at most shard_bytes (or one tensor that is larger).
std::vector<std::vector<TensorToWrite>> cut(std::vector<TensorToWrite> tensors,
                                            std::uint64_t shard_bytes) {
    std::sort(tensors.begin(), tensors.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    std::vector<std::vector<TensorToWrite>> shards(1);
    std::uint64_t filled = 0;
    for (auto& tensor : tensors) {
        const auto size = byte_size(tensor);
        if (filled > 0 && filled + size > shard_bytes) {
            shards.emplace_back();
            filled = 0;
        }
        filled += size;
        shards.back().push_back(std::move(tensor));
    }
    return shards;
}

// Complete files under temporary names; what is not renamed at the end is removed.
struct Staged {
    std::vector<std::pair<fs::path, fs::path>> files;  // temporary, final
    ~Staged() {
        std::error_code ignored;
        for (const auto& [temporary, final] : files) fs::remove(temporary, ignored);
    }
};

void refuse_other_weights(const fs::path& folder, const std::vector<fs::path>& ours) {
    for (const auto& entry : fs::directory_iterator(folder)) {
        const auto path = entry.path();
        const bool weights =
            path.extension() == ".safetensors" || path.filename() == "model.safetensors.index.json";
        if (weights && std::find(ours.begin(), ours.end(), path) == ours.end())
            fail("{} already holds {}: choose an empty folder", folder.string(),
                 path.filename().string());
    }
}

}  // namespace

std::string original_key(std::string_view tensor) {
    return fmt::format("halfbyte.original.{}", tensor);
}

void write_safetensors(const fs::path& path, std::vector<TensorToWrite> tensors) {
    sort_canonically(tensors);
    for (std::size_t i = 1; i < tensors.size(); ++i)
        if (tensors[i].name == tensors[i - 1].name)
            fail("{}: tensor '{}' twice", path.string(), tensors[i].name);
    const std::string header = header_of(tensors);
    const std::uint64_t length = header.size();
    FileWriter writer(path);
    writer.write(std::as_bytes(std::span(&length, 1)));
    writer.write(std::as_bytes(std::span(header.data(), header.size())));
    for (auto& tensor : tensors) {
        const auto bytes = tensor.load();
        if (bytes.size() != byte_size(tensor))
            fail("{}: tensor '{}' gave {} bytes, its shape wants {}", path.string(), tensor.name,
                 bytes.size(), byte_size(tensor));
        writer.write(bytes);
        tensor.load = nullptr;
    }
    writer.commit();
}

void write_sharded(const fs::path& folder, std::vector<TensorToWrite> tensors,
                   std::uint64_t shard_bytes) {
    auto shards = cut(std::move(tensors), shard_bytes);
    const bool single = shards.size() == 1;
    const auto index = folder / "model.safetensors.index.json";
    std::uint64_t total = 0;
    Staged staged;
    std::vector<fs::path> finals;
    std::string weight_map;
    for (std::size_t i = 0; i < shards.size(); ++i) {
        const auto name =
            single ? std::string("model.safetensors")
                   : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
        finals.push_back(folder / name);
        for (const auto& tensor : shards[i]) {
            total += byte_size(tensor);
            weight_map += fmt::format("{}\n    {}: \"{}\"", weight_map.empty() ? "" : ",",
                                      Json(tensor.name).dump(), name);
        }
    }
    if (!single) finals.push_back(index);
    refuse_other_weights(folder, finals);
    for (std::size_t i = 0; i < shards.size(); ++i) {
        auto temporary = finals[i];
        temporary += ".tmp";
        staged.files.emplace_back(temporary, finals[i]);
        write_safetensors(temporary, std::move(shards[i]));
    }
    for (const auto& [temporary, final] : staged.files) fs::rename(temporary, final);
    sync_folder(folder);
    staged.files.clear();
    if (!single)
        write_file(
            index,
            fmt::format(
                "{{\n  \"metadata\": {{\"total_size\": {}}},\n  \"weight_map\": {{{}\n  }}\n}}\n",
                total, weight_map));
}

}  // namespace hb
