// SPDX-License-Identifier: Apache-2.0
// Walks the syntax tree. A scope is a frame of jinja2: the template, one turn of a loop, a macro's
// call, a block `set`; `if` has none. Names are looked up outwards, then in the variables, then
// among the functions. Macros hold their scope, which holds them: all scopes are emptied at the
// end.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "text/syntax.hpp"
#include "text/values.hpp"

namespace hb::jinja {

struct Scope {
    std::shared_ptr<Scope> parent;
    const Names* unset = nullptr;
    std::map<std::string, Value, std::less<>> names = {};
};
using ScopePtr = std::shared_ptr<Scope>;

class Interpreter {
public:
    Interpreter(const Json& variables, const std::string& where);
    ~Interpreter();
    Interpreter(const Interpreter&) = delete;
    Interpreter& operator=(const Interpreter&) = delete;

    std::string run(const Body& body, const Names& unset);

    Budget budget;
    Value attribute(const Value& of, const std::string& name);
    Value item(const Value& of, const Value& key);
    Value call(const Value& callee, const Arguments& arguments);
    Value filter(const std::string& name, const Value& value, const Arguments& arguments);
    bool test(const std::string& name, const Value& value, const Arguments& arguments);
    Value text(std::string bytes) { return make_text(budget, std::move(bytes)); }
    Value make_namespace(std::vector<std::pair<std::string, Value>> members);
    const Value* variable(const std::string& name) const;

private:
    enum class Flow { on, next, leave };
    friend struct DeeperRun;

    Flow run_body(const Body& body);
    Flow run_statement(const Statement& statement);
    Flow run_branch(const Statement& statement);
    Flow run_loop(const Statement& statement);
    void run_macro(const Statement& statement);
    Value call_macro(const Statement& statement, const ScopePtr& home, const Arguments& arguments);
    std::string captured(const Statement& statement);
    void assign(const Expr& target, const Value& value);
    void print(std::string_view bytes);
    ScopePtr enter(ScopePtr parent, const Names* unset = nullptr);

    Value eval(const Expr& expr);
    Value eval_part(const Expr& expr, std::size_t part) { return eval(*expr.parts[part]); }
    Value eval_name(const Expr& expr);
    Value eval_dict(const Expr& expr);
    Value eval_slice(const Expr& expr);
    Value eval_concat(const Expr& expr);
    Value eval_compare(const Expr& expr);
    Value eval_conditional(const Expr& expr);
    Value eval_call(const Expr& expr);
    Values eval_parts(const Expr& expr);
    Arguments eval_arguments(const Expr& expr);

    const std::string& where_;
    std::map<std::string, Value, std::less<>> variables_;
    std::map<std::string, Value, std::less<>> functions_;
    std::vector<std::weak_ptr<Scope>> scopes_;  // those that a macro holds
    std::vector<std::weak_ptr<Namespace>> namespaces_;
    ScopePtr scope_;
    std::string output_;
    int line_ = 1, depth_ = 0;
};

std::map<std::string, Value, std::less<>> make_functions(Interpreter& interpreter);

}  // namespace hb::jinja
