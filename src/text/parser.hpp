// SPDX-License-Identifier: Apache-2.0
// Recursive descent over the tokens, with jinja2's precedences: conditional, or, and, not,
// comparison, + -, ~, * / // %, **, unary sign, then postfix, filters and tests.
#pragma once

#include <string>
#include <vector>

#include "core/error.hpp"
#include "text/syntax.hpp"

namespace hb::jinja {

class Parser {
public:
    Parser(std::vector<Token> tokens, const std::string& where)
        : tokens_(std::move(tokens)), where_(where) {}
    Body run();

private:
    friend struct DeeperParse;

    const Token& here() const { return tokens_[at_]; }
    const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
    bool skip_name(std::string_view name);
    bool skip_symbol(std::string_view symbol);
    void want_symbol(std::string_view symbol);
    std::string want_name();
    template <class... Args>
    [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
        fail("{}: line {}: {}", where_, here().line,
             fmt::format(text, std::forward<Args>(args)...));
    }

    ExprPtr make(ExprKind kind, int line, std::string name = {}) const;
    ExprPtr join(ExprKind kind, std::string name, ExprPtr left, ExprPtr right);
    void add(Expr& expr, ExprPtr part) const;
    ExprPtr expression();
    ExprPtr either();
    ExprPtr both();
    ExprPtr negation();
    ExprPtr comparison();
    ExprPtr sum();
    ExprPtr concatenation();
    ExprPtr product();
    ExprPtr power();
    ExprPtr unary(bool with_filters);
    ExprPtr primary();
    ExprPtr tuple_or_one(bool in_parentheses, bool targets);
    ExprPtr list();
    ExprPtr dict();
    ExprPtr postfix(ExprPtr expr);
    ExprPtr subscript(ExprPtr expr);
    ExprPtr call(ExprPtr callee);
    ExprPtr filters_and_tests(ExprPtr expr);
    ExprPtr filter(ExprPtr expr);
    ExprPtr test(ExprPtr expr);
    void arguments(Expr& expr);
    bool at_tuple_end(bool targets) const;

    using StatementPtr = std::unique_ptr<Statement>;
    Body body(std::initializer_list<std::string_view> ends);
    StatementPtr statement();
    StatementPtr branch(int line);
    StatementPtr loop(int line);
    StatementPtr set(int line);
    StatementPtr macro(int line);
    StatementPtr enclosed(StatementKind kind, int line, std::string_view end);
    ExprPtr assignment_target();
    void end_of_tag();

    std::vector<Token> tokens_;
    const std::string& where_;
    std::size_t at_ = 0;
    int depth_ = 0, loops_ = 0;
    int conditional_ = 0;  // inside an `if`, an unknown filter is an error only when it is reached
};

struct DeeperParse {
    explicit DeeperParse(Parser& parser) : depth(parser.depth_) {
        if (++depth > 150) parser.refuse("the template is nested too deeply");
    }
    ~DeeperParse() { --depth; }
    DeeperParse(const DeeperParse&) = delete;
    DeeperParse& operator=(const DeeperParse&) = delete;
    int& depth;
};

}  // namespace hb::jinja
