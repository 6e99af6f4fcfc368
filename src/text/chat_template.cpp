// SPDX-License-Identifier: Apache-2.0
#include "text/chat_template.hpp"

#include "text/interpreter.hpp"
#include "text/lexer.hpp"
#include "text/syntax.hpp"

namespace hb {

struct ChatTemplate::Impl {
    std::string where;
    jinja::Body body;
    jinja::Names unset;
};

ChatTemplate::ChatTemplate(std::string_view source, const std::string& where)
    : impl_(std::make_unique<Impl>()) {
    impl_->where = where;
    impl_->body = jinja::parse(jinja::tokenize(source, where), where);
    impl_->unset = jinja::find_unset(impl_->body);
}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::render(const Json& variables) const {
    return jinja::Interpreter(variables, impl_->where).run(impl_->body, impl_->unset);
}

}  // namespace hb
