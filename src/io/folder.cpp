// SPDX-License-Identifier: Apache-2.0
// A Hugging Face folder: config.json, and one safetensors file or shards under an index that must
// name exactly the tensors the shards hold.
#include <algorithm>
#include <charconv>
#include <map>

#include "core/error.hpp"
#include "io/safetensors.hpp"
#include "io/source.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxConfig = 4 << 20, kMaxText = 64 << 20, kMaxIndex = 32 << 20;
constexpr std::string_view kSingle = "model.safetensors", kIndex = "model.safetensors.index.json",
                           kModelOpt = "hf_quant_config.json";

// Metadata that is no number says nothing.
std::optional<float> original_of(const SafetensorsHeader& header, const std::string& tensor) {
    const auto it = header.metadata.find(original_key(tensor));
    if (it == header.metadata.end()) return std::nullopt;
    const std::string& text = it->second;
    float value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

void add_file(Source& source, const fs::path& path) {
    MappedFile file(path);
    auto header = parse_safetensors(file.bytes(), path.string());
    for (auto& entry : header.entries) {
        StoredTensor tensor;
        tensor.type = find_stored_type(entry.dtype);
        tensor.file = source.files.size();
        tensor.begin = header.data_offset + entry.begin;
        tensor.original = original_of(header, entry.name);
        tensor.info = {std::move(entry.name), entry.dtype, std::move(entry.shape),
                       entry.end - entry.begin, entry.dtype};
        source.tensors.push_back(std::move(tensor));
    }
    source.files.push_back(std::move(file));
}

using WeightMap = std::map<std::string, std::string>;  // tensor -> file

WeightMap read_index(const fs::path& path) {
    const Json index = read_json_object(path, kMaxIndex);
    const auto it = index.find("weight_map");
    if (it == index.end() || !it->is_object())
        fail("{}: 'weight_map' is missing or not an object", path.string());
    WeightMap map;
    for (const auto& [tensor, file] : it->items()) {
        if (!file.is_string())
            fail("{}: '{}' is not given a file", path.string(), printable(tensor));
        const auto name = file.get<std::string>();
        if (name.empty() || name.find('/') != std::string::npos ||
            name.find('\0') != std::string::npos || !name.ends_with(".safetensors"))
            fail("{}: '{}' lies in '{}', which is not the name of a safetensors file",
                 path.string(), printable(tensor), printable(name));
        map[tensor] = name;
    }
    if (map.empty()) fail("{}: 'weight_map' is empty", path.string());
    return map;
}

void add_shards(Source& source, const fs::path& folder) {
    const auto index = folder / kIndex;
    WeightMap map = read_index(index);
    std::vector<std::string> shards;
    for (const auto& [tensor, file] : map) shards.push_back(file);
    std::sort(shards.begin(), shards.end());
    shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
    if (shards.size() > 4096)
        fail("{}: {} shards; at most 4096 are accepted", index.string(), shards.size());
    for (const auto& shard : shards) {
        const auto first = source.tensors.size();
        if (!fs::exists(folder / shard))
            fail("{}: shard {} is missing. Download the model again", folder.string(),
                 printable(shard));
        add_file(source, folder / shard);
        for (auto i = first; i < source.tensors.size(); ++i) {
            const auto& name = source.tensors[i].info.name;
            const auto it = map.find(name);
            if (it == map.end() || it->second != shard)
                fail(
                    "{}: shard {} holds tensor '{}', which the index places {}. The index is stale",
                    folder.string(), printable(shard), printable(name),
                    it == map.end() ? "nowhere" : "in " + printable(it->second));
            map.erase(it);
        }
    }
    if (!map.empty())
        fail("{}: tensor '{}' is in the index but not in shard {}. The index is stale",
             folder.string(), printable(map.begin()->first), printable(map.begin()->second));
}

std::optional<std::string> read_asset(const fs::path& folder, std::string_view name) {
    const auto path = folder / name;
    if (!fs::is_regular_file(path)) return std::nullopt;
    return read_text(path, kMaxText);
}

// The layouts of other tools, told by quant_method or by ModelOpt's own file.
void present_layout(Source& source, const fs::path& folder) {
    const auto it = source.config.find("quantization_config");
    if (it == source.config.end() || it->is_null()) {
        if (!fs::is_regular_file(folder / kModelOpt)) return;
        const Json own = read_json_object(folder / kModelOpt, kMaxConfig);
        const auto settings = own.find("quantization");
        if (settings == own.end() || !settings->is_object())
            fail("{}: 'quantization' is missing or not an object", (folder / kModelOpt).string());
        return present_modelopt(source, *settings);
    }
    if (!it->is_object()) return;
    const auto method = it->find("quant_method");
    if (method == it->end()) return;
    if (*method == "fp_quant") present_fp_quant(source);
    if (*method == "modelopt") present_modelopt(source, Json(*it));
}

}  // namespace

Source open_folder(const fs::path& folder) {
    Source source;
    source.path = folder;
    if (!fs::exists(folder / "config.json"))
        fail("{} has no config.json: it is not a Hugging Face model folder", folder.string());
    source.config = read_json_object(folder / "config.json", kMaxConfig);
    const bool single = fs::exists(folder / kSingle), sharded = fs::exists(folder / kIndex);
    if (single && sharded)
        fail("{} has both {} and {}: remove one", folder.string(), kSingle, kIndex);
    if (!single && !sharded)
        fail("{} has neither {} nor {}. Other weight formats are not read", folder.string(),
             kSingle, kIndex);
    if (single)
        add_file(source, folder / kSingle);
    else
        add_shards(source, folder);
    present_layout(source, folder);
    source.sort();
    source.asset = [folder](std::string_view name) { return read_asset(folder, name); };
    return source;
}

}  // namespace hb
