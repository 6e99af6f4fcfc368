// SPDX-License-Identifier: Apache-2.0
// The texts that belong to a model beside its weights.
#include "doctor/checks.hpp"

#include "core/error.hpp"
#include "io/strict_json.hpp"

namespace hb::doctor {
namespace {

constexpr std::uint64_t kMaxText = 64 << 20;

bool there(const Patient& p, const char* name) {
    return std::filesystem::is_regular_file(p.path / name);
}

// Says what is wrong with a JSON file that is there; gives it back otherwise.
std::optional<Json> read(const Patient& p, const char* name, Findings& findings) {
    if (!there(p, name)) return std::nullopt;
    try {
        const auto text = read_text(p.path / name, kMaxText);
        auto json = Json::parse(text, nullptr, false);
        if (!json.is_discarded()) return json;
        findings.add("json-unreadable", name, "not valid JSON");
    } catch (const Error& error) {
        findings.add("json-unreadable", name, error.what());
    }
    return std::nullopt;
}

void check_folder(const Patient& p, Findings& findings) {
    if (!there(p, "tokenizer.json") && !there(p, "tokenizer.model") && !there(p, "vocab.json"))
        findings.add("tokenizer-missing", "tokenizer.json", "the folder has no tokenizer");
    const auto settings = read(p, "tokenizer_config.json", findings);
    const bool own = settings && settings->is_object() && settings->contains("chat_template");
    if (!own && !there(p, "chat_template.jinja") && !there(p, "chat_template.json"))
        findings.add("chat-template-missing", "chat_template.jinja",
                     "neither this file nor chat_template in tokenizer_config.json");
    if (!there(p, "generation_config.json"))
        findings.add("generation-config-missing", "generation_config.json", "the folder has none");
    read(p, "generation_config.json", findings);
    if (there(p, "tokenizer.json") &&
        std::filesystem::file_size(p.path / "tokenizer.json") < kMaxText) {
        const auto text = read_text(p.path / "tokenizer.json", kMaxText);
        if (!Json::accept(text))
            findings.add("json-unreadable", "tokenizer.json", "not valid JSON");
    }
}

}  // namespace

void check_texts(const Patient& p, Findings& findings) {
    if (!p.gguf && p.style != Style::gguf) return check_folder(p, findings);
    if (!p.gguf) return;
    const auto file = p.path.filename().string();
    if (!p.gguf->find("tokenizer.ggml.model") || !p.gguf->find("tokenizer.ggml.tokens"))
        findings.add("tokenizer-missing", file, "no keys tokenizer.ggml.model and .tokens");
    if (!p.gguf->find("tokenizer.chat_template"))
        findings.add("chat-template-missing", file, "no key tokenizer.chat_template");
}

}  // namespace hb::doctor
