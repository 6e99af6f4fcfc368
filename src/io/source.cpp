// SPDX-License-Identifier: Apache-2.0
#include "io/source.hpp"

#include <algorithm>
#include <cstring>

#include "core/error.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

namespace fs = std::filesystem;

bool begins_as_gguf(const fs::path& path) {
    const MappedFile file(path);
    return file.bytes().size() >= 4 && std::memcmp(file.bytes().data(), "GGUF", 4) == 0;
}

}  // namespace

Source open_source(const std::string& model) {
    if (model.empty())
        fail("no model given: name a folder, a .gguf file, or org/name in the Hugging Face cache");
    const fs::path path = model;
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) return open_folder(path);
    if (fs::exists(path, ignored)) {
        if (path.extension() == ".gguf" || begins_as_gguf(path)) return open_gguf(path);
        fail("{} is neither a folder nor a GGUF file. For safetensors, name the folder", model);
    }
    if (const auto cached = find_in_cache(model); !cached.empty()) return open_folder(cached);
    fail("there is no file or folder '{}'", printable(model, 400));
}

const StoredTensor* Source::find(std::string_view name) const {
    const auto it =
        std::lower_bound(tensors.begin(), tensors.end(), name,
                         [](const auto& tensor, auto wanted) { return tensor.info.name < wanted; });
    return it != tensors.end() && it->info.name == name ? &*it : nullptr;
}

const StoredTensor& Source::get(std::string_view name) const {
    const auto* tensor = find(name);
    if (!tensor) fail("{}: tensor '{}' is missing", path.string(), printable(name));
    return *tensor;
}

std::span<const std::byte> Source::bytes(const StoredTensor& tensor) const {
    if (tensor.value) return std::as_bytes(std::span(&*tensor.value, 1));
    return files[tensor.file].bytes().subspan(tensor.begin, tensor.info.stored_bytes);
}

void Source::sort() {
    std::sort(tensors.begin(), tensors.end(),
              [](const auto& a, const auto& b) { return a.info.name < b.info.name; });
    infos.clear();
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        infos.push_back(tensors[i].info);
        if (i > 0 && infos[i].name == infos[i - 1].name)
            fail("{}: tensor '{}' occurs twice", path.string(), printable(infos[i].name));
    }
}

}  // namespace hb
