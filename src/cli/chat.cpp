// SPDX-License-Identifier: Apache-2.0
// The template is chat_template.jinja, or "chat_template" of tokenizer_config.json: a string, or a
// list of named ones of which "default" is meant. It sees the variables that Transformers gives it.
#include "cli/chat.hpp"

#include "core/error.hpp"
#include "text/chat_template.hpp"

namespace hb {
namespace {

Json tokenizer_config(const Checkpoint& checkpoint) {
    const auto text = checkpoint.asset("tokenizer_config.json");
    if (!text) return Json::object();
    Json config = Json::parse(*text, nullptr, false);
    if (!config.is_object())
        fail("{}: tokenizer_config.json is not a JSON object", checkpoint.path().string());
    return config;
}

std::string template_source(const Checkpoint& checkpoint, const Json& config) {
    if (auto text = checkpoint.asset("chat_template.jinja")) return *text;
    const auto found = config.find("chat_template");
    if (found != config.end() && found->is_string()) return found->get<std::string>();
    if (found != config.end() && found->is_array()) {
        for (const Json& named : *found)
            if (named.is_object() && named.value("name", Json()) == "default" &&
                named.value("template", Json()).is_string())
                return named["template"].get<std::string>();
    }
    fail("{} has no chat template; run without --chat", checkpoint.path().string());
}

}  // namespace

std::string render_chat(const Checkpoint& checkpoint, const std::string& system,
                        const std::string& user) {
    const Json config = tokenizer_config(checkpoint);
    Json variables = {{"messages", Json::array()},
                      {"tools", nullptr},
                      {"documents", nullptr},
                      {"add_generation_prompt", true}};
    if (!system.empty()) variables["messages"].push_back({{"role", "system"}, {"content", system}});
    variables["messages"].push_back({{"role", "user"}, {"content", user}});
    for (const char* name :
         {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token"}) {
        const Json token = config.value(name, Json());
        if (token.is_string())
            variables[name] = token;
        else if (token.is_object() && token.contains("content"))
            variables[name] = token["content"];
    }
    const std::string where = checkpoint.path().string() + " chat template";
    return ChatTemplate(template_source(checkpoint, config), where).render(variables);
}

}  // namespace hb
