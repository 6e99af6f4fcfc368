// SPDX-License-Identifier: Apache-2.0
// Chat templates: a safe subset of Jinja that renders as python's jinja2 does in Transformers
// (ImmutableSandboxedEnvironment, trim_blocks, lstrip_blocks). What is not known is an error.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/json.hpp"

namespace hb {

class ChatTemplate {
public:
    ChatTemplate(std::string_view source,
                 const std::string& where);  // parses; throws Error with a line
    ~ChatTemplate();
    ChatTemplate(ChatTemplate&&) noexcept;
    ChatTemplate& operator=(ChatTemplate&&) noexcept;

    // `variables` is an object: messages, add_generation_prompt, bos_token, eos_token, tools, ...
    // Throws Error on raise_exception, on an unknown construct, and past a limit of steps or
    // output.
    std::string render(const Json& variables) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hb
