// SPDX-License-Identifier: Apache-2.0
// What stands behind an operand: attributes, items, slices, calls, filters and tests.
#include "text/parser.hpp"

namespace hb::jinja {

ExprPtr Parser::postfix(ExprPtr expr) {
    while (true) {
        if (here().is_symbol(".") || here().is_symbol("["))
            expr = subscript(std::move(expr));
        else if (here().is_symbol("("))
            expr = call(std::move(expr));
        else
            return expr;
    }
}

ExprPtr Parser::subscript(ExprPtr of) {
    const int line = here().line;
    if (skip_symbol(".")) {
        auto expr = make(ExprKind::attribute, line);
        add(*expr, std::move(of));
        if (here().kind == TokenKind::integer) {
            expr->kind = ExprKind::item;
            add(*expr, primary());
        } else {
            expr->name = want_name();
        }
        return expr;
    }
    want_symbol("[");
    auto expr = make(ExprKind::item, line);
    add(*expr, std::move(of));
    if (!here().is_symbol(":")) add(*expr, expression());
    if (here().is_symbol(":")) {
        expr->kind = ExprKind::slice;
        if (expr->parts.size() == 1) add(*expr, nullptr);
        for (int part = 0; part < 2; ++part) {
            const bool given = skip_symbol(":") && !here().is_symbol(":") && !here().is_symbol("]");
            add(*expr, given ? expression() : nullptr);
        }
    }
    if (here().is_symbol(",")) refuse("an item with several keys is not supported");
    want_symbol("]");
    return expr;
}

void Parser::arguments(Expr& expr) {
    want_symbol("(");
    bool named = false;
    while (!here().is_symbol(")")) {
        if (here().is_symbol("*") || here().is_symbol("**"))
            refuse("'{}' arguments are not supported", here().text);
        Argument argument;
        if (here().kind == TokenKind::name && ahead().is_symbol("=")) {
            argument.keyword = want_name();
            ++at_;
            named = true;
        } else if (named) {
            refuse("an argument by position behind one by name");
        }
        argument.value = expression();
        expr.depth = std::max(expr.depth, argument.value->depth + 1);
        for (const auto& other : expr.arguments)
            if (!argument.keyword.empty() && other.keyword == argument.keyword)
                refuse("'{}' is given twice", argument.keyword);
        expr.arguments.push_back(std::move(argument));
        if (!here().is_symbol(")")) want_symbol(",");
    }
    want_symbol(")");
}

ExprPtr Parser::call(ExprPtr callee) {
    auto expr = make(ExprKind::call, here().line);
    add(*expr, std::move(callee));
    arguments(*expr);
    return expr;
}

ExprPtr Parser::filters_and_tests(ExprPtr expr) {
    while (true) {
        if (here().is_symbol("|"))
            expr = filter(std::move(expr));
        else if (here().is_name("is"))
            expr = test(std::move(expr));
        else if (here().is_symbol("("))
            expr = call(std::move(expr));
        else
            return expr;
    }
}

ExprPtr Parser::filter(ExprPtr of) {
    const int line = here().line;
    want_symbol("|");
    auto expr = make(ExprKind::filter, line, want_name());
    if (conditional_ == 0 && !is_known_filter(expr->name))
        refuse("the filter '{}' is not known", expr->name);
    add(*expr, std::move(of));
    if (here().is_symbol("(")) arguments(*expr);
    return expr;
}

ExprPtr Parser::test(ExprPtr of) {
    const int line = here().line;
    ++at_;
    const bool negated = skip_name("not");
    auto expr = make(ExprKind::test, line, want_name());
    if (conditional_ == 0 && !is_known_test(expr->name))
        refuse("the test '{}' is not known", expr->name);
    add(*expr, std::move(of));
    const auto& token = here();
    const bool operand = token.kind == TokenKind::name || token.kind == TokenKind::string ||
                         token.kind == TokenKind::integer || token.kind == TokenKind::real ||
                         token.is_symbol("[") || token.is_symbol("{");
    if (token.is_symbol("(")) {
        arguments(*expr);
    } else if (operand && !token.is_name("else") && !token.is_name("or") && !token.is_name("and")) {
        if (token.is_name("is")) refuse("tests cannot be chained with 'is'");
        auto argument = postfix(primary());
        expr->depth = std::max(expr->depth, argument->depth + 1);
        expr->arguments.push_back({{}, std::move(argument)});
    }
    if (!negated) return expr;
    auto inverse = make(ExprKind::logical_not, line);
    add(*inverse, std::move(expr));
    return inverse;
}

}  // namespace hb::jinja
