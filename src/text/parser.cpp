// SPDX-License-Identifier: Apache-2.0
// Expressions.
#include "text/parser.hpp"

#include <algorithm>

namespace hb::jinja {
namespace {
constexpr int kDeepestTree = 200;
}

bool Parser::skip_name(std::string_view name) {
    if (!here().is_name(name)) return false;
    ++at_;
    return true;
}

bool Parser::skip_symbol(std::string_view symbol) {
    if (!here().is_symbol(symbol)) return false;
    ++at_;
    return true;
}

void Parser::want_symbol(std::string_view symbol) {
    if (!skip_symbol(symbol)) refuse("expected '{}', got '{}'", symbol, here().text);
}

std::string Parser::want_name() {
    if (here().kind != TokenKind::name) refuse("expected a name, got '{}'", here().text);
    return tokens_[at_++].text;
}

ExprPtr Parser::make(ExprKind kind, int line, std::string name) const {
    return std::make_unique<Expr>(Expr{.kind = kind, .line = line, .name = std::move(name)});
}

void Parser::add(Expr& expr, ExprPtr part) const {
    if (part) expr.depth = std::max(expr.depth, part->depth + 1);
    if (expr.depth > kDeepestTree) refuse("an expression of more than {} levels", kDeepestTree);
    expr.parts.push_back(std::move(part));
}

ExprPtr Parser::join(ExprKind kind, std::string name, ExprPtr left, ExprPtr right) {
    auto expr = make(kind, left->line, std::move(name));
    add(*expr, std::move(left));
    add(*expr, std::move(right));
    return expr;
}

ExprPtr Parser::expression() {
    const DeeperParse deeper(*this);
    auto expr = either();
    while (skip_name("if")) {
        auto condition = either();
        auto otherwise = skip_name("else") ? expression() : nullptr;
        auto conditional = join(ExprKind::conditional, {}, std::move(condition), std::move(expr));
        add(*conditional, std::move(otherwise));
        expr = std::move(conditional);
    }
    return expr;
}

ExprPtr Parser::either() {
    auto left = both();
    while (skip_name("or")) left = join(ExprKind::logical_or, {}, std::move(left), both());
    return left;
}

ExprPtr Parser::both() {
    auto left = negation();
    while (skip_name("and")) left = join(ExprKind::logical_and, {}, std::move(left), negation());
    return left;
}

ExprPtr Parser::negation() {
    const DeeperParse deeper(*this);
    const int line = here().line;
    if (!skip_name("not")) return comparison();
    auto expr = make(ExprKind::logical_not, line);
    add(*expr, negation());
    return expr;
}

ExprPtr Parser::comparison() {
    auto first = sum();
    ExprPtr expr;
    const auto compare_with = [&](std::string name) {
        if (!expr) {
            expr = make(ExprKind::compare, first->line);
            add(*expr, std::move(first));
        }
        expr->operators.push_back(std::move(name));
        add(*expr, sum());
    };
    while (true) {
        const auto& token = here();
        const bool symbol = token.kind == TokenKind::symbol;
        if (symbol && (token.text == "==" || token.text == "!=" || token.text == "<" ||
                       token.text == "<=" || token.text == ">" || token.text == ">=")) {
            compare_with(tokens_[at_++].text);
        } else if (skip_name("in")) {
            compare_with("in");
        } else if (token.is_name("not") && ahead().is_name("in")) {
            at_ += 2;
            compare_with("not in");
        } else {
            return expr ? std::move(expr) : std::move(first);
        }
    }
}

ExprPtr Parser::sum() {
    auto left = concatenation();
    while (here().is_symbol("+") || here().is_symbol("-")) {
        const auto name = tokens_[at_++].text;
        left = join(ExprKind::binary, name, std::move(left), concatenation());
    }
    return left;
}

ExprPtr Parser::concatenation() {
    auto first = product();
    if (!here().is_symbol("~")) return first;
    auto expr = make(ExprKind::concat, first->line);
    add(*expr, std::move(first));
    while (skip_symbol("~")) add(*expr, product());
    return expr;
}

ExprPtr Parser::product() {
    auto left = power();
    while (here().is_symbol("*") || here().is_symbol("/") || here().is_symbol("//") ||
           here().is_symbol("%")) {
        const auto name = tokens_[at_++].text;
        left = join(ExprKind::binary, name, std::move(left), power());
    }
    return left;
}

ExprPtr Parser::power() {
    auto left = unary(true);
    while (skip_symbol("**")) left = join(ExprKind::binary, "**", std::move(left), unary(true));
    return left;
}

ExprPtr Parser::unary(bool with_filters) {
    const DeeperParse deeper(*this);
    const int line = here().line;
    ExprPtr expr;
    if (here().is_symbol("-") || here().is_symbol("+")) {
        expr = make(here().is_symbol("-") ? ExprKind::negative : ExprKind::positive, line);
        ++at_;
        add(*expr, unary(false));
    } else {
        expr = primary();
    }
    expr = postfix(std::move(expr));
    return with_filters ? filters_and_tests(std::move(expr)) : std::move(expr);
}

ExprPtr Parser::primary() {
    const auto& token = here();
    auto expr = make(ExprKind::constant, token.line);
    switch (token.kind) {
        case TokenKind::name:
            ++at_;
            if (token.text == "true" || token.text == "True")
                expr->value = true;
            else if (token.text == "false" || token.text == "False")
                expr->value = false;
            else if (token.text != "none" && token.text != "None")
                return make(ExprKind::name, token.line, token.text);
            return expr;
        case TokenKind::string: {
            std::string text;
            while (here().kind == TokenKind::string) text += tokens_[at_++].text;
            expr->value = Text{std::make_shared<const std::string>(std::move(text))};
            return expr;
        }
        case TokenKind::integer:
            expr->value = token.integer;
            return ++at_, std::move(expr);
        case TokenKind::real:
            expr->value = token.real;
            return ++at_, std::move(expr);
        default:
            break;
    }
    if (skip_symbol("(")) {
        expr = tuple_or_one(true, false);
        want_symbol(")");
        return expr;
    }
    if (token.is_symbol("[")) return list();
    if (token.is_symbol("{")) return dict();
    refuse("unexpected '{}'", token.text);
}

bool Parser::at_tuple_end(bool targets) const {
    const auto kind = here().kind;
    return kind == TokenKind::print_end || kind == TokenKind::block_end || here().is_symbol(")") ||
           here().is_symbol("=") || (targets && here().is_name("in"));
}

ExprPtr Parser::tuple_or_one(bool in_parentheses, bool targets) {
    const int line = here().line;
    auto expr = make(ExprKind::tuple, line);
    bool comma = false;
    while (true) {
        if (!expr->parts.empty()) want_symbol(",");
        if (at_tuple_end(targets)) break;
        add(*expr, targets ? assignment_target() : expression());
        if (!here().is_symbol(",")) break;
        comma = true;
    }
    if (comma) return expr;
    if (!expr->parts.empty()) return std::move(expr->parts[0]);
    if (!in_parentheses) refuse("expected an expression, got '{}'", here().text);
    return expr;
}

ExprPtr Parser::list() {
    auto expr = make(ExprKind::list, here().line);
    want_symbol("[");
    while (!here().is_symbol("]")) {
        if (!expr->parts.empty()) want_symbol(",");
        if (here().is_symbol("]")) break;
        add(*expr, expression());
    }
    want_symbol("]");
    return expr;
}

ExprPtr Parser::dict() {
    auto expr = make(ExprKind::dict, here().line);
    want_symbol("{");
    while (!here().is_symbol("}")) {
        if (!expr->parts.empty()) want_symbol(",");
        if (here().is_symbol("}")) break;
        add(*expr, expression());
        want_symbol(":");
        add(*expr, expression());
    }
    want_symbol("}");
    return expr;
}

}  // namespace hb::jinja
