// SPDX-License-Identifier: Apache-2.0
// Statements: if, for, set, macro, filter, generation, break, continue.
#include <algorithm>
#include <utility>

#include "text/parser.hpp"

namespace hb::jinja {
namespace {

std::unique_ptr<Statement> make_statement(StatementKind kind, int line) {
    return std::make_unique<Statement>(Statement{.kind = kind, .line = line});
}

}  // namespace

Body parse(std::vector<Token> tokens, const std::string& where) {
    return Parser(std::move(tokens), where).run();
}

Body Parser::run() {
    auto out = body({});
    if (here().kind != TokenKind::end) refuse("unexpected '{}'", here().text);
    return out;
}

void Parser::end_of_tag() {
    if (here().kind != TokenKind::block_end)
        refuse("expected the end of the tag, got '{}'", here().text);
    ++at_;
}

// Up to a tag that starts with one of `ends`; that tag's name is the next token then.
Body Parser::body(std::initializer_list<std::string_view> ends) {
    const DeeperParse deeper(*this);
    Body out;
    while (here().kind != TokenKind::end) {
        const auto& token = tokens_[at_++];
        if (token.kind == TokenKind::text) {
            auto text = make_statement(StatementKind::text, token.line);
            text->text = token.text;
            out.push_back(std::move(text));
        } else if (token.kind == TokenKind::print_begin) {
            auto print = make_statement(StatementKind::print, token.line);
            print->value = tuple_or_one(false, false);
            if (here().kind != TokenKind::print_end)
                refuse("expected '}}}}', got '{}'", here().text);
            ++at_;
            out.push_back(std::move(print));
        } else if (std::any_of(ends.begin(), ends.end(),
                               [this](auto name) { return here().is_name(name); })) {
            return out;
        } else {
            out.push_back(statement());
        }
    }
    if (ends.size() > 0) refuse("the template ends where '{}' was expected", *(ends.end() - 1));
    return out;
}

std::unique_ptr<Statement> Parser::statement() {
    const int line = here().line;
    const auto name = want_name();
    if (name == "if") return branch(line);
    if (name == "for") return loop(line);
    if (name == "set") return set(line);
    if (name == "macro") return macro(line);
    if (name == "generation") return enclosed(StatementKind::scope, line, "endgeneration");
    if (name == "filter") {
        auto first = make(ExprKind::filter, line, want_name());
        if (!is_known_filter(first->name)) refuse("the filter '{}' is not known", first->name);
        add(*first, nullptr);
        if (here().is_symbol("(")) arguments(*first);
        while (here().is_symbol("|")) first = filter(std::move(first));
        auto out = enclosed(StatementKind::filter_block, line, "endfilter");
        out->value = std::move(first);
        return out;
    }
    if (name == "break" || name == "continue") {
        if (loops_ == 0) refuse("'{}' outside a loop", name);
        end_of_tag();
        return make_statement(name == "break" ? StatementKind::leave : StatementKind::next, line);
    }
    --at_;
    refuse("the tag '{}' is not known", name);
}

std::unique_ptr<Statement> Parser::enclosed(StatementKind kind, int line, std::string_view end) {
    auto out = make_statement(kind, line);
    end_of_tag();
    const int loops = std::exchange(loops_, 0);
    out->bodies.push_back(body({end}));
    loops_ = loops;
    ++at_;
    end_of_tag();
    return out;
}

std::unique_ptr<Statement> Parser::branch(int line) {
    auto out = make_statement(StatementKind::branch, line);
    ++conditional_;
    while (true) {
        out->tests.push_back(tuple_or_one(false, false));
        end_of_tag();
        out->bodies.push_back(body({"elif", "else", "endif"}));
        if (!skip_name("elif")) break;
    }
    if (skip_name("else")) {
        end_of_tag();
        out->bodies.push_back(body({"endif"}));
    } else {
        out->bodies.emplace_back();
    }
    --conditional_;
    ++at_;
    end_of_tag();
    return out;
}

ExprPtr Parser::assignment_target() {
    const int line = here().line;
    if (skip_symbol("(")) {
        auto inner = tuple_or_one(true, true);
        want_symbol(")");
        return inner;
    }
    auto name = want_name();
    for (const std::string_view reserved : {"true", "false", "none", "True", "False", "None", "not",
                                            "and", "or", "in", "is", "if", "else"})
        if (name == reserved) refuse("'{}' cannot be assigned to", name);
    if (!skip_symbol(".")) return make(ExprKind::name, line, std::move(name));
    auto member = make(ExprKind::namespace_member, line, want_name());
    add(*member, make(ExprKind::name, line, std::move(name)));
    return member;
}

std::unique_ptr<Statement> Parser::loop(int line) {
    auto out = make_statement(StatementKind::loop, line);
    out->target = tuple_or_one(false, true);
    if (!skip_name("in")) refuse("expected 'in', got '{}'", here().text);
    auto iterable = make(ExprKind::tuple, here().line);
    do add(*iterable, either());
    while (skip_symbol(",") && !at_tuple_end(false) && !here().is_name("if") &&
           !here().is_name("recursive"));
    out->value = iterable->parts.size() == 1 && !tokens_[at_ - 1].is_symbol(",")
                     ? std::move(iterable->parts[0])
                     : std::move(iterable);
    if (skip_name("if")) out->condition = expression();
    if (here().is_name("recursive")) refuse("recursive loops are not supported");
    end_of_tag();
    ++loops_;
    out->bodies.push_back(body({"else", "endfor"}));
    --loops_;
    if (skip_name("else")) {
        end_of_tag();
        out->bodies.push_back(body({"endfor"}));
    } else {
        out->bodies.emplace_back();
    }
    ++at_;
    end_of_tag();
    return out;
}

std::unique_ptr<Statement> Parser::set(int line) {
    auto target = tuple_or_one(false, true);
    if (skip_symbol("=")) {
        auto out = make_statement(StatementKind::set, line);
        out->target = std::move(target);
        out->value = tuple_or_one(false, false);
        end_of_tag();
        return out;
    }
    if (target->kind == ExprKind::tuple) refuse("a block 'set' wants one name");
    ExprPtr filters;
    while (here().is_symbol("|")) filters = filter(std::move(filters));
    auto out = enclosed(StatementKind::set_block, line, "endset");
    out->target = std::move(target);
    out->value = std::move(filters);
    return out;
}

std::unique_ptr<Statement> Parser::macro(int line) {
    const auto name = want_name();
    std::vector<std::string> parameters;
    std::vector<ExprPtr> defaults;
    want_symbol("(");
    while (!here().is_symbol(")")) {
        if (!parameters.empty()) want_symbol(",");
        if (here().is_symbol(")")) break;
        parameters.push_back(want_name());
        if (skip_symbol("="))
            defaults.push_back(expression());
        else if (!defaults.empty())
            refuse("the parameter '{}' without a default behind one with it", parameters.back());
    }
    want_symbol(")");
    const auto first = at_;
    auto out = enclosed(StatementKind::macro, line, "endmacro");
    for (auto i = first; i < at_; ++i)
        for (const char* special : {"caller", "varargs", "kwargs"})
            if (tokens_[i].is_name(special) && !tokens_[i - 1].is_symbol("."))
                refuse("'{}' in a macro is not supported", special);
    out->text = name;
    out->parameters = std::move(parameters);
    out->defaults = std::move(defaults);
    return out;
}

}  // namespace hb::jinja
