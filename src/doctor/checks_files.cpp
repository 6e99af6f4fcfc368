// SPDX-License-Identifier: Apache-2.0
// Where tensors lie in their files, and whether the index and the shards say the same.
#include <algorithm>

#include "doctor/checks.hpp"
#include "io/safetensors.hpp"
#include "io/strict_json.hpp"

namespace hb::doctor {
namespace {

std::vector<const Tensor*> by_place(const Patient& p, std::size_t file) {
    std::vector<const Tensor*> tensors;
    for (const Tensor& t : p.tensors)
        if (t.file == file) tensors.push_back(&t);
    std::sort(tensors.begin(), tensors.end(), [](const auto* a, const auto* b) {
        return std::tie(a->begin, a->end, a->name) < std::tie(b->begin, b->end, b->name);
    });
    return tensors;
}

void check_file(const Patient& p, std::size_t i, Findings& findings) {
    const PatientFile& file = p.files[i];
    const std::uint64_t size = file.map.bytes().size();
    std::uint64_t end = file.data, beyond = 0;
    const Tensor* first_beyond = nullptr;
    const auto tensors = by_place(p, i);
    const bool foreign = std::any_of(tensors.begin(), tensors.end(),
                                     [](const auto* t) { return t->dtype == "unknown"; });
    for (const Tensor* t : tensors) {
        const auto where = file.name + ": " + printable(t->name);
        if (t->begin > t->end || t->end > size) {
            if (beyond++ == 0) first_beyond = t;
        } else if (p.style != Style::gguf && dtype_bytes(t->dtype) > 0 &&
                   t->end - t->begin != bytes_needed(*t)) {
            findings.add(
                "extent-wrong", where,
                fmt::format("{} [{}] needs {} bytes, the file gives {}", t->dtype,
                            fmt::join(t->shape, ", "), bytes_needed(*t), t->end - t->begin));
        }
        if (t->begin < end && t->begin <= t->end)
            findings.add(
                "file-overlap", where,
                fmt::format("begins {} bytes before the one before it ends", end - t->begin));
        else if (t->begin > end + file.slack && !foreign)
            findings.add("file-holes", where,
                         fmt::format("{} unused bytes before it", t->begin - end));
        end = std::max(end, std::max(t->begin, t->end));
    }
    if (first_beyond)
        findings.add("file-truncated", file.name,
                     fmt::format("{} bytes, {} wanted; {} tensors reach beyond the end, the first "
                                 "is {}",
                                 size, end, beyond, printable(first_beyond->name)));
    else if (!tensors.empty() && size > end + file.slack && !foreign)
        findings.add("file-trailing", file.name,
                     fmt::format("{} bytes after the last tensor", size - end));
}

}  // namespace

void check_extents(const Patient& p, Findings& findings) {
    for (std::size_t i = 0; i < p.files.size(); ++i)
        if (p.files[i].readable) check_file(p, i, findings);
}

void check_index(const Patient& p, Findings& findings) {
    if (!p.index) return;
    constexpr const char* kIndex = "model.safetensors.index.json";
    std::map<std::string, bool> readable;
    for (const auto& file : p.files) readable[file.name] = file.readable;
    std::map<std::string, std::string> stored;
    std::uint64_t bytes = 0;
    for (const Tensor& t : p.tensors) {
        stored[t.name] = p.files[t.file].name;
        bytes += t.end - t.begin;
        const auto it = p.index->find(t.name);
        if (it == p.index->end())
            findings.add("index-incomplete", kIndex + std::string(": ") + printable(t.name),
                         fmt::format("lies in {}", p.files[t.file].name), true);
    }
    bool complete = true;
    for (const auto& [tensor, file] : *p.index) {
        const auto it = stored.find(tensor);
        const auto shard = readable.find(file);
        complete = complete && shard != readable.end() && shard->second;
        if (it != stored.end() && it->second == file) continue;
        if (it == stored.end() && (shard == readable.end() || !shard->second)) continue;
        findings.add("index-stale", kIndex + std::string(": ") + printable(tensor),
                     fmt::format("placed in {}, lies {}", printable(file),
                                 it == stored.end() ? "nowhere" : fmt::format("in {}", it->second)),
                     true);
    }
    if (complete && p.index_size && *p.index_size != bytes)
        findings.add("index-size", kIndex,
                     fmt::format("{}, the tensors have {}", *p.index_size, bytes), true);
}

void check_names(const Patient& p, Findings& findings) {
    for (std::size_t i = 1; i < p.tensors.size(); ++i)
        if (p.tensors[i].name == p.tensors[i - 1].name)
            findings.add("tensor-twice", printable(p.tensors[i].name),
                         fmt::format("in {} and {}", p.files[p.tensors[i - 1].file].name,
                                     p.files[p.tensors[i].file].name));
    if (!p.split) return;
    findings.add("unexamined", p.path.filename().string(),
                 "one part of a GGUF in several files: the others, and what is missing here, are "
                 "not examined");
}

}  // namespace hb::doctor
