// SPDX-License-Identifier: Apache-2.0
// The cache of huggingface_hub: models--ORG--NAME/refs/main holds a commit, snapshots/COMMIT the
// files.
#include <cstdlib>

#include "core/error.hpp"
#include "io/source.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

namespace fs = std::filesystem;

fs::path cache_folder() {
    const auto set = [](const char* name) {
        const char* value = std::getenv(name);
        return std::string(value ? value : "");
    };
    if (const auto cache = set("HF_HUB_CACHE"); !cache.empty()) return cache;
    if (const auto home = set("HF_HOME"); !home.empty()) return fs::path(home) / "hub";
    return fs::path(set("HOME")) / ".cache" / "huggingface" / "hub";
}

bool has_form(const std::string& model) {
    const auto slash = model.find('/');
    if (slash == 0 || slash == std::string::npos || slash + 1 == model.size()) return false;
    if (model.find('/', slash + 1) != std::string::npos || model.starts_with('.')) return false;
    for (const char c : model)
        if (!std::isalnum(static_cast<unsigned char>(c)) &&
            std::string_view("-_./").find(c) == std::string_view::npos)
            return false;
    return model.find("..") == std::string::npos;
}

}  // namespace

fs::path find_in_cache(const std::string& model) {
    if (!has_form(model)) return {};
    const auto slash = model.find('/');
    const auto folder = cache_folder() / fmt::format("models--{}--{}", model.substr(0, slash),
                                                     model.substr(slash + 1));
    if (!fs::is_directory(folder))
        fail(
            "there is no file or folder '{}', and no such model in the Hugging Face cache {}. "
            "Download it first "
            "(hf download {})",
            model, cache_folder().string(), model);
    auto commit = read_text(folder / "refs" / "main", 256);
    while (!commit.empty() && std::isspace(static_cast<unsigned char>(commit.back())))
        commit.pop_back();
    if (commit.empty() || commit.find('/') != std::string::npos ||
        commit.find("..") != std::string::npos)
        fail("{}: refs/main holds '{}', not a commit", folder.string(), printable(commit));
    const auto snapshot = folder / "snapshots" / commit;
    if (!fs::is_directory(snapshot))
        fail("{} is missing. Download the model again", snapshot.string());
    return snapshot;
}

}  // namespace hb
