// SPDX-License-Identifier: Apache-2.0
// A Hugging Face folder, as far as it can be read: config.json, the index, and every weight file
// that either names or that is called like one.
#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "doctor/patient.hpp"
#include "io/safetensors.hpp"
#include "io/strict_json.hpp"

namespace hb::doctor {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kMaxConfig = 4 << 20, kMaxIndex = 64 << 20;
constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

std::optional<Json> read_json(const Patient& p, const char* name, std::uint64_t limit,
                              Findings& findings) {
    try {
        return read_json_object(p.path / name, limit);
    } catch (const Error& error) {
        findings.add("json-unreadable", name, error.what());
        return std::nullopt;
    }
}

// Keys sorted, unlike those of Json: an index of experts has a hundred thousand.
void read_index(Patient& p, Findings& findings) {
    std::string text;
    try {
        text = read_text(p.path / kIndex, kMaxIndex);
    } catch (const Error& error) {
        return findings.add("json-unreadable", kIndex, error.what());
    }
    const auto json = nlohmann::json::parse(text, nullptr, false);
    if (json.is_discarded() || !json.is_object() || !json.contains("weight_map") ||
        !json["weight_map"].is_object())
        return findings.add(
            "json-unreadable", kIndex,
            json.is_discarded() ? "not valid JSON" : "'weight_map' is missing or not an object",
            true);
    p.index.emplace();
    for (const auto& [tensor, file] : json["weight_map"].items())
        (*p.index)[tensor] = file.is_string() ? file.get<std::string>() : "";
    if (const auto meta = json.find("metadata"); meta != json.end() && meta->is_object())
        if (const auto size = meta->find("total_size");
            size != meta->end() && size->is_number_unsigned())
            p.index_size = size->get<std::uint64_t>();
}

bool is_shard(const std::string& name) {
    return name.starts_with("model-") && name.ends_with(".safetensors") &&
           name.find("-of-") != std::string::npos;
}

bool is_plain_name(const std::string& name) {
    return !name.empty() && name.find('/') == std::string::npos &&
           name.find('\0') == std::string::npos && name.ends_with(".safetensors");
}

void read_weights(Patient& p, const std::string& name, Findings& findings) {
    PatientFile file;
    file.name = name;
    SafetensorsHeader header;
    try {
        file.map = MappedFile(p.path / name);
        header = parse_safetensors_loosely(file.map.bytes(), name);
        file.readable = true;
        file.data = header.data_offset;
    } catch (const Error& error) {
        findings.add("file-unreadable", name, error.what());
    }
    const std::uint64_t size = file.map.bytes().size();
    for (auto& e : header.entries) {
        Tensor t;
        t.name = std::move(e.name);
        t.dtype = std::move(e.dtype);
        t.type = find_stored_type(t.dtype);
        t.shape = std::move(e.shape);
        t.file = p.files.size();
        if (__builtin_add_overflow(e.begin, file.data, &t.begin)) t.begin = ~0ull;
        if (__builtin_add_overflow(e.end, file.data, &t.end)) t.end = ~0ull;
        t.whole = t.begin <= t.end && t.end <= size && dtype_bytes(t.dtype) > 0 &&
                  t.end - t.begin == bytes_needed(t);
        p.tensors.push_back(std::move(t));
    }
    p.files.push_back(std::move(file));
}

Style style_of(const Patient& p, const fs::path& folder) {
    const auto text = [](const Json& json, const char* name) -> std::string {
        const auto it = json.find(name);
        return it != json.end() && it->is_string() ? it->get<std::string>() : "";
    };
    if (p.config)
        if (const auto it = p.config->find("quantization_config");
            it != p.config->end() && it->is_object()) {
            const auto method = text(*it, "quant_method");
            if (method == "fp_quant") return Style::fp_quant;
            if (method == "modelopt") return Style::modelopt;
            return Style::compressed_tensors;
        }
    if (fs::is_regular_file(folder / "hf_quant_config.json")) return Style::modelopt;
    for (const Tensor& t : p.tensors) {  // a lost configuration
        if (t.name.ends_with(".qweight")) return Style::fp_quant;
        if (t.name.ends_with(".weight_scale_2")) return Style::modelopt;
        if (t.name.ends_with(".weight_packed") || t.name.ends_with(".weight_scale"))
            return Style::compressed_tensors;
    }
    return Style::dense;
}

}  // namespace

void read_folder(Patient& p, Findings& findings) {
    const bool config = fs::exists(p.path / "config.json");
    if (config)
        p.config = read_json(p, "config.json", kMaxConfig, findings);
    else
        findings.add("config-missing", "config.json", "the folder has none");
    const bool single = fs::exists(p.path / kSingle), index = fs::exists(p.path / kIndex);
    if (index) read_index(p, findings);
    std::set<std::string> names;
    if (p.index)
        for (const auto& [tensor, file] : *p.index) names.insert(file);
    std::set<std::string> shards;
    for (const auto& entry : fs::directory_iterator(p.path))
        if (const auto name = entry.path().filename().string(); is_shard(name)) shards.insert(name);
    for (const auto& name : names) {
        if (is_plain_name(name) && fs::exists(p.path / name))
            read_weights(p, name, findings);
        else
            findings.add("shard-missing", printable(name), "the index names it");
    }
    for (const auto& name : shards) {
        if (names.contains(name)) continue;
        if (p.index) findings.add("shard-unlisted", name, "the index does not name it", true);
        read_weights(p, name, findings);
    }
    if (single && index)
        findings.add("weights-twice", kSingle, fmt::format("stands beside {}", kIndex));
    else if (single && !names.contains(kSingle))
        read_weights(p, kSingle, findings);
    if (!index && !shards.empty() && !single)
        findings.add("index-missing", kIndex, fmt::format("{} shards", shards.size()), true);
    if (p.files.empty() && names.empty())
        findings.add("weights-missing", p.path.string(), "no safetensors file");
    p.style = style_of(p, p.path);
}

}  // namespace hb::doctor
