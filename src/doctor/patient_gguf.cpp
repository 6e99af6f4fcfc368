// SPDX-License-Identifier: Apache-2.0
// A GGUF, as far as it can be read; the configuration is that under our own key, else what its keys
// say.
#include "core/error.hpp"
#include "doctor/patient.hpp"
#include "io/gguf_names.hpp"
#include "io/source.hpp"
#include "io/strict_json.hpp"

namespace hb::doctor {
namespace {

void read_config(Patient& p, Findings& findings) {
    try {
        p.config = gguf_config(*p.gguf);
    } catch (const Error& error) {
        const auto arch = p.gguf->text_or_none("general.architecture").value_or("absent");
        for (const auto& known : gguf_architectures())
            if (known.name == arch) {
                findings.add("config-wrong", p.path.filename().string(), error.what());
                return;
            }
        findings.add("architecture-unknown", p.path.filename().string(), printable(arch));
    }
    if (const auto text = p.gguf->text_or_none(kGgufConfig); text && p.config) {
        const Json own = parse_json(*text, std::string(kGgufConfig));
        if (!own.is_object()) return;
        if (own.contains("quantization_config"))
            (*p.config)["quantization_config"] = own["quantization_config"];
        if (own.value("tie_word_embeddings", Json()) == false)
            (*p.config)["tie_word_embeddings"] = false;
    }
}

}  // namespace

void read_gguf(Patient& p, Findings& findings) {
    p.style = Style::gguf;
    PatientFile file;
    file.name = p.path.filename().string();
    try {
        file.map = MappedFile(p.path);
        p.gguf = parse_gguf_loosely(file.map.bytes(), file.name);
        file.readable = true;
        file.slack =
            static_cast<std::uint64_t>(p.gguf->whole_or_none("general.alignment").value_or(32) - 1);
    } catch (const Error& error) {
        findings.add("file-unreadable", file.name, error.what());
        p.gguf.reset();
        p.files.push_back(std::move(file));
        return;
    }
    const std::uint64_t size = file.map.bytes().size();
    for (const auto& from : p.gguf->tensors) {
        Tensor t;
        t.name = from.name;
        t.dtype = from.type ? std::string(from.type->name) : "unknown";
        t.type = from.type;
        t.shape = from.shape;
        t.begin = from.begin;
        if (__builtin_add_overflow(from.begin, from.bytes, &t.end)) t.end = ~0ull;
        t.whole = t.type && t.begin <= t.end && t.end <= size;
        if (file.data == 0) file.data = t.begin;
        p.tensors.push_back(std::move(t));
    }
    p.files.push_back(std::move(file));
    p.split = p.gguf->whole_or_none("split.count").value_or(1) > 1;
    read_config(p, findings);
}

}  // namespace hb::doctor
