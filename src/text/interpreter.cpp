// SPDX-License-Identifier: Apache-2.0
// Statements.
#include "text/interpreter.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"

namespace hb::jinja {

struct DeeperRun {
    explicit DeeperRun(Interpreter& interpreter) : depth(interpreter.depth_) {
        if (depth >= 500) fail("the template calls itself too deeply");
        ++depth;
    }
    ~DeeperRun() { --depth; }
    DeeperRun(const DeeperRun&) = delete;
    DeeperRun& operator=(const DeeperRun&) = delete;
    int& depth;
};

Interpreter::Interpreter(const Json& variables, const std::string& where) : where_(where) {
    if (!variables.is_object())
        fail("{}: the variables are of the JSON type {}; wanted an object", where,
             variables.type_name());
    for (const auto& [name, value] : variables.items())
        variables_.emplace(name, from_json(budget, value));
    functions_ = make_functions(*this);
}

Interpreter::~Interpreter() {
    for (const auto& scope : scopes_)
        if (const auto held = scope.lock()) held->names.clear();
    for (const auto& held_namespace : namespaces_)
        if (const auto held = held_namespace.lock()) held->members.clear();
}

std::string Interpreter::run(const Body& body, const Names& unset) {
    enter(nullptr, &unset);
    try {
        run_body(body);
    } catch (const Error& error) {
        fail("{}: line {}: {}", where_, line_, error.what());
    }
    return std::move(output_);
}

ScopePtr Interpreter::enter(ScopePtr parent, const Names* unset) {
    budget.charge(4);
    return std::exchange(scope_, std::make_shared<Scope>(Scope{std::move(parent), unset}));
}

void Interpreter::print(std::string_view bytes) {
    budget.charge(bytes.size() / 16);
    if (output_.size() + bytes.size() > kLargestText)
        fail("the output is larger than {} bytes", kLargestText);
    output_ += bytes;
}

Interpreter::Flow Interpreter::run_body(const Body& body) {
    for (const auto& statement : body)
        if (const auto flow = run_statement(*statement); flow != Flow::on) return flow;
    return Flow::on;
}

Interpreter::Flow Interpreter::run_statement(const Statement& statement) {
    const DeeperRun deeper(*this);
    budget.charge(1);
    line_ = statement.line;
    switch (statement.kind) {
        case StatementKind::text:
            print(statement.text);
            break;
        case StatementKind::print:
            print(to_text(eval(*statement.value)));
            break;
        case StatementKind::branch:
            return run_branch(statement);
        case StatementKind::loop:
            return run_loop(statement);
        case StatementKind::set:
            assign(*statement.target, eval(*statement.value));
            break;
        case StatementKind::macro:
            run_macro(statement);
            break;
        case StatementKind::next:
            return Flow::next;
        case StatementKind::leave:
            return Flow::leave;
        case StatementKind::scope:
            print(captured(statement));
            break;
        case StatementKind::set_block:
        case StatementKind::filter_block: {
            Value value = text(captured(statement));
            std::vector<const Expr*> filters;
            for (const Expr* expr = statement.value.get(); expr; expr = expr->parts[0].get())
                filters.push_back(expr);
            for (auto expr = filters.rbegin(); expr != filters.rend(); ++expr)
                value = filter((*expr)->name, value, eval_arguments(**expr));
            if (statement.kind == StatementKind::set_block)
                assign(*statement.target, value);
            else
                print(to_text(value));
        }
    }
    return Flow::on;
}

Interpreter::Flow Interpreter::run_branch(const Statement& statement) {
    for (std::size_t i = 0; i < statement.tests.size(); ++i)
        if (truth(eval(*statement.tests[i]))) return run_body(statement.bodies[i]);
    return run_body(statement.bodies.back());
}

Interpreter::Flow Interpreter::run_loop(const Statement& statement) {
    auto items = iterate(budget, eval(*statement.value));
    const auto outer = enter(scope_);
    if (statement.condition) {
        Values kept;
        for (auto& item : items) {
            enter(outer);
            assign(*statement.target, item);
            if (truth(eval(*statement.condition))) kept.push_back(std::move(item));
        }
        items = std::move(kept);
    }
    const auto loop =
        std::make_shared<Loop>(Loop{0, std::make_shared<const Values>(std::move(items)), {}});
    bool completed = false, left = false;
    for (; loop->index0 < loop->items->size() && !left; ++loop->index0) {
        enter(outer, &statement.unset[0]);
        assign(*statement.target, (*loop->items)[loop->index0]);
        scope_->names.insert_or_assign("loop", loop);
        const auto flow = run_body(statement.bodies[0]);
        completed |= flow == Flow::on;
        left = flow == Flow::leave;
    }
    Flow flow = Flow::on;
    if (!completed) {  // as jinja2: also when each turn ended in `continue` or `break`
        enter(outer, &statement.unset[1]);
        flow = run_body(statement.bodies[1]);
    }
    scope_ = outer;
    return flow;
}

void Interpreter::run_macro(const Statement& statement) {
    const auto home = scope_;
    scopes_.push_back(home);
    budget.charge(4);
    auto body = [this, &statement, home](const Arguments& arguments) {
        return call_macro(statement, home, arguments);
    };
    home->names.insert_or_assign(statement.text, std::make_shared<const Callable>(
                                                     Callable{statement.text, std::move(body)}));
}

Value Interpreter::call_macro(const Statement& statement, const ScopePtr& home,
                              const Arguments& arguments) {
    const auto& names = statement.parameters;
    if (arguments.positional.size() > names.size())
        fail("the macro '{}' takes at most {} arguments, got {}", statement.text, names.size(),
             arguments.positional.size());
    const auto caller = enter(home, &statement.unset[0]);
    const int line = line_;
    for (const auto& [name, value] : arguments.named) {
        const auto at =
            static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
        if (at == names.size() || at < arguments.positional.size())
            fail("the macro '{}' cannot take the argument '{}'", statement.text, name);
        scope_->names.insert_or_assign(name, value);
    }
    const auto first_default = names.size() - statement.defaults.size();
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i < arguments.positional.size())
            scope_->names.insert_or_assign(names[i], arguments.positional[i]);
        else if (scope_->names.contains(names[i]))
            continue;
        else if (i >= first_default)
            scope_->names.insert_or_assign(names[i], eval(*statement.defaults[i - first_default]));
        else
            scope_->names.insert_or_assign(names[i], Undefined{"the parameter '" + names[i] + "'"});
    }
    auto outer_output = std::exchange(output_, {});
    run_body(statement.bodies[0]);
    auto output = std::exchange(output_, std::move(outer_output));
    scope_ = caller;
    line_ = line;
    return text(std::move(output));
}

std::string Interpreter::captured(const Statement& statement) {
    const auto outer = enter(scope_, &statement.unset[0]);
    auto outer_output = std::exchange(output_, {});
    run_body(statement.bodies[0]);
    scope_ = outer;
    return std::exchange(output_, std::move(outer_output));
}

void Interpreter::assign(const Expr& target, const Value& value) {
    if (target.kind == ExprKind::name) {
        budget.charge(1);
        scope_->names.insert_or_assign(target.name, value);
        return;
    }
    if (target.kind == ExprKind::namespace_member) {
        const Value owner = eval_part(target, 0);
        const auto* held = owner.get<std::shared_ptr<Namespace>>();
        if (!held)
            fail("'{}' is a {}; only a namespace's members can be set", target.parts[0]->name,
                 type_name(owner));
        if (target.name.starts_with('_'))
            fail("the member '{}' of a namespace starts with '_'", target.name);
        (*held)->members.insert_or_assign(target.name, value);
        return;
    }
    const auto items = iterate(budget, value);
    if (items.size() != target.parts.size())
        fail("{} values cannot be unpacked into {} names", items.size(), target.parts.size());
    for (std::size_t i = 0; i < items.size(); ++i) assign(*target.parts[i], items[i]);
}

Value Interpreter::make_namespace(std::vector<std::pair<std::string, Value>> members) {
    auto out = std::make_shared<Namespace>();
    budget.charge(8 + 4 * members.size());
    for (auto& [name, value] : members) {
        if (name.starts_with('_')) fail("the member '{}' of a namespace starts with '_'", name);
        out->members.insert_or_assign(name, std::move(value));
    }
    namespaces_.push_back(out);
    return out;
}

const Value* Interpreter::variable(const std::string& name) const {
    const auto found = variables_.find(name);
    return found == variables_.end() ? nullptr : &found->second;
}

}  // namespace hb::jinja
