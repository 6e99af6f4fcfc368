// SPDX-License-Identifier: Apache-2.0
// Copies a folder and changes what can be changed without a guess: the index is written anew from
// the shards, the list of layers left alone from the tensors, a missing scale_dtype of activations
// from the format, and a reversed divisor in its four bytes where exactly one number has the stored
// reciprocal. Everything else is copied as it is.
#include <algorithm>
#include <cstring>
#include <set>

#include "core/error.hpp"
#include "doctor/checks.hpp"
#include "io/strict_json.hpp"

namespace hb::doctor {
namespace fs = std::filesystem;
namespace {

constexpr const char* kIndex = "model.safetensors.index.json";

using Patches = std::map<std::uint64_t, float>;  // by place in the file

void copy_patched(const fs::path& from, const fs::path& to, const Patches& patches) {
    constexpr std::uint64_t kPart = 4 << 20;
    const MappedFile map(from);
    const auto bytes = map.bytes();
    FileWriter out(to);
    std::uint64_t at = 0;
    const auto copy_to = [&](std::uint64_t end) {
        while (at < end) {
            const auto n = std::min(kPart, end - at);
            out.write(bytes.subspan(at, n));
            map.drop(at, n);
            at += n;
        }
    };
    for (const auto& [place, value] : patches) {
        copy_to(place);
        out.write(std::as_bytes(std::span(&value, 1)));
        at = place + sizeof(float);
    }
    copy_to(bytes.size());
    out.commit();
}

struct Plan {
    std::vector<std::string> done;
    std::map<std::string, Patches> patches;  // by file
    std::optional<Json> config, index;
};

bool has(const std::vector<Finding>& findings, std::initializer_list<std::string_view> kinds) {
    return std::any_of(findings.begin(), findings.end(), [&](const Finding& f) {
        return f.repairable && std::find(kinds.begin(), kinds.end(), f.kind->name) != kinds.end();
    });
}

void plan_index(const Patient& p, Plan& plan) {
    Json map = Json::object();
    std::uint64_t bytes = 0;
    std::map<std::string, std::string> files;
    for (const Tensor& t : p.tensors) {
        bytes += t.end - t.begin;
        files[t.name] = p.files[t.file].name;
    }
    for (const auto& [tensor, file] : files) map[tensor] = file;
    plan.index = Json{{"metadata", {{"total_size", bytes}}}, {"weight_map", map}};
    plan.done.push_back(
        fmt::format("{}: {} tensors in {} shards", kIndex, files.size(), p.files.size()));
}

// Patterns that match no quantized layer, then every dense layer by name that they do not match.
void plan_ignore(const Patient& p, Plan& plan) {
    Json list = Json::array();
    std::vector<const Pattern*> kept;
    for (const Pattern& pattern : p.settings.ignore) {
        const bool wrong = std::any_of(p.modules.begin(), p.modules.end(), [&](const auto& entry) {
            return entry.second.quantized() && pattern.matches(entry.first);
        });
        if (wrong) {
            plan.done.push_back(fmt::format("config.json: '{}' removed from '{}'",
                                            printable(pattern.text), p.settings.ignore_name));
            continue;
        }
        kept.push_back(&pattern);
        list.push_back(pattern.text);
    }
    for (const auto& [name, m] : p.modules) {
        if (m.quantized() || !m.has(kWeight) || !is_linear(name) || !targets_of(p, name)) continue;
        const std::string& module = name;
        if (std::any_of(kept.begin(), kept.end(),
                        [&](const auto* pattern) { return pattern->matches(module); }))
            continue;
        list.push_back(name);
        plan.done.push_back(
            fmt::format("config.json: '{}' added to '{}'", name, p.settings.ignore_name));
    }
    (*plan.config)["quantization_config"][p.settings.ignore_name] = list;
}

void plan_scale_dtype(const Patient& p, Plan& plan) {
    std::size_t i = 0;
    for (auto& [name, group] : (*plan.config)["quantization_config"]["config_groups"].items()) {
        if (!group.is_object() || !group.contains("weights") || group["weights"].is_null())
            continue;
        const auto family = p.settings.targets[i++].family;
        if (!group.contains("input_activations") || !group["input_activations"].is_object())
            continue;
        Json& inputs = group["input_activations"];
        if ((inputs.contains("scale_dtype") && !inputs["scale_dtype"].is_null()) ||
            (family != Family::nv && family != Family::mx))
            continue;
        const char* dtype = family == Family::nv ? "torch.float8_e4m3fn" : "torch.uint8";
        inputs["scale_dtype"] = dtype;
        plan.done.push_back(
            fmt::format("config.json: {}: scale_dtype {} of activations", printable(name), dtype));
    }
}

void plan_reciprocals(const Patient& p, const std::vector<Finding>& findings, Plan& plan) {
    for (const Finding& f : findings) {
        if (!f.repairable || f.kind->name != "reciprocal-reversed") continue;
        for (const Tensor& t : p.tensors) {
            if (t.name != f.where || !t.whole) continue;
            const float stored = *number_of(p, t);
            plan.patches[p.files[t.file].name][t.begin] = 1 / stored;
            plan.done.push_back(fmt::format("{}: {} instead of {}", t.name, 1 / stored, stored));
        }
    }
}

Plan plan_of(const Patient& p, const std::vector<Finding>& findings) {
    Plan plan;
    const bool twice = std::any_of(findings.begin(), findings.end(), [](const Finding& f) {
        return f.kind->name == "tensor-twice" || f.kind->name == "file-unreadable" ||
               f.kind->name == "shard-missing";
    });
    if (!twice && has(findings, {"index-stale", "index-incomplete", "index-missing", "index-size",
                                 "shard-unlisted", "json-unreadable"}))
        plan_index(p, plan);
    const auto before = plan.done.size();
    if (p.config && p.config->contains("quantization_config")) {
        plan.config = p.config;
        if (has(findings, {"ignored-but-quantized", "dense-but-not-ignored"})) plan_ignore(p, plan);
        if (has(findings, {"activation-scale-dtype-missing"})) plan_scale_dtype(p, plan);
        if (plan.done.size() == before) plan.config.reset();
    }
    plan_reciprocals(p, findings, plan);
    return plan;
}

}  // namespace

std::vector<std::string> repair(const std::string& model, const std::vector<Finding>& findings,
                                const fs::path& out) {
    Findings ignored_findings;
    Patient p = admit(model, ignored_findings);
    if (p.style == Style::gguf) fail("{}: a GGUF is not repaired: write it again", model);
    const Plan plan = plan_of(p, findings);
    if (plan.done.empty())
        fail("{}: nothing was found that can be repaired exactly; nothing is written", model);
    std::error_code code;
    if (fs::exists(out, code) && (!fs::is_directory(out) || !fs::is_empty(out)))
        fail("{} exists and is not an empty folder: choose another place", out.string());
    fs::create_directories(out);
    for (const auto& entry : fs::directory_iterator(p.path)) {
        const auto name = entry.path().filename().string();
        if (!entry.is_regular_file() || name == "config.json" || name == kIndex) continue;
        const auto patches = plan.patches.find(name);
        copy_patched(entry.path(), out / name,
                     patches == plan.patches.end() ? Patches{} : patches->second);
    }
    if (plan.index)
        write_file(out / kIndex, plan.index->dump(2) + "\n");
    else if (fs::exists(p.path / kIndex))
        copy_patched(p.path / kIndex, out / kIndex, {});
    if (plan.config)
        write_file(out / "config.json", plan.config->dump(2) + "\n");
    else if (fs::exists(p.path / "config.json"))
        copy_patched(p.path / "config.json", out / "config.json", {});
    return plan.done;
}

}  // namespace hb::doctor
