// SPDX-License-Identifier: Apache-2.0
// Expressions, attributes, items and calls.
#include <algorithm>

#include "core/error.hpp"
#include "text/filters.hpp"
#include "text/interpreter.hpp"
#include "text/operators.hpp"

namespace hb::jinja {
namespace {

bool compares(Budget& budget, const std::string& name, const Value& a, const Value& b) {
    if (name == "==") return equal(a, b);
    if (name == "!=") return !equal(a, b);
    if (name == "in") return contains(budget, b, a);
    if (name == "not in") return !contains(budget, b, a);
    const auto is_nan = [](const Value& value) {
        return value.get<double>() && value.number() != value.number();
    };
    const int order = compare(a, b);
    if (is_nan(a) || is_nan(b)) return false;
    return name == "<"    ? order < 0
           : name == "<=" ? order <= 0
           : name == ">"  ? order > 0
                          : order >= 0;
}

std::string hint_of(const Value& of, const std::string& name) {
    return "'" + name + "' of a " + type_name(of);
}

}  // namespace

Value Interpreter::eval(const Expr& expr) {
    struct Depth {
        explicit Depth(int& d) : depth(d) { ++depth; }
        ~Depth() { --depth; }
        int& depth;
    } deeper(depth_);
    if (depth_ > 500) fail("the template calls itself too deeply");
    budget.charge(1);
    switch (expr.kind) {
        case ExprKind::constant:
            return expr.value;
        case ExprKind::name:
            return eval_name(expr);
        case ExprKind::tuple:
            return make_sequence(budget, SequenceKind::tuple, eval_parts(expr));
        case ExprKind::list:
            return make_list(budget, eval_parts(expr));
        case ExprKind::dict:
            return eval_dict(expr);
        case ExprKind::attribute:
            return attribute(eval_part(expr, 0), expr.name);
        case ExprKind::item:
            return item(eval_part(expr, 0), eval_part(expr, 1));
        case ExprKind::slice:
            return eval_slice(expr);
        case ExprKind::call:
            return eval_call(expr);
        case ExprKind::filter:
            return filter(expr.name, eval_part(expr, 0), eval_arguments(expr));
        case ExprKind::test:
            return test(expr.name, eval_part(expr, 0), eval_arguments(expr));
        case ExprKind::negative:
            return negative(eval_part(expr, 0));
        case ExprKind::positive:
            return positive(eval_part(expr, 0));
        case ExprKind::logical_not:
            return !truth(eval_part(expr, 0));
        case ExprKind::logical_and:
        case ExprKind::logical_or: {
            Value left = eval_part(expr, 0);
            return truth(left) == (expr.kind == ExprKind::logical_or) ? left : eval_part(expr, 1);
        }
        case ExprKind::binary: {
            const Value left = eval_part(expr, 0);
            return binary(budget, expr.name, left, eval_part(expr, 1));
        }
        case ExprKind::concat:
            return eval_concat(expr);
        case ExprKind::compare:
            return eval_compare(expr);
        case ExprKind::conditional:
            return eval_conditional(expr);
        case ExprKind::namespace_member:
            break;
    }
    fail("an assignment where a value was expected");
}

Values Interpreter::eval_parts(const Expr& expr) {
    Values out;
    for (const auto& part : expr.parts) out.push_back(eval(*part));
    return out;
}

Value Interpreter::eval_name(const Expr& expr) {
    for (const Scope* scope = scope_.get(); scope; scope = scope->parent.get())
        if (const auto found = scope->names.find(expr.name); found != scope->names.end())
            return found->second;
    for (const Scope* scope = scope_->parent.get(); scope; scope = scope->parent.get())
        if (scope->unset && scope->unset->contains(expr.name))
            return Undefined{"'" + expr.name + "'"};
    if (const auto* value = variable(expr.name)) return *value;
    if (const auto found = functions_.find(expr.name); found != functions_.end())
        return found->second;
    for (const char* known : {"lipsum", "cycler", "joiner", "self", "caller", "varargs", "kwargs"})
        if (expr.name == known) fail("'{}' is not supported", expr.name);
    return Undefined{"'" + expr.name + "'"};
}

Value Interpreter::eval_dict(const Expr& expr) {
    std::vector<std::pair<Value, Value>> items;
    for (std::size_t i = 0; i < expr.parts.size(); i += 2) {
        Value key = eval_part(expr, i);
        items.emplace_back(std::move(key), eval_part(expr, i + 1));
    }
    return make_dict(budget, std::move(items));
}

Value Interpreter::eval_slice(const Expr& expr) {
    const auto part = [&](std::size_t i) {
        return expr.parts[i] ? eval(*expr.parts[i]) : Value(None{});
    };
    const Value of = part(0), start = part(1), stop = part(2), step = part(3);
    return slice(budget, of, start, stop, step);
}

Value Interpreter::eval_concat(const Expr& expr) {
    std::string out;
    for (const auto& part : expr.parts) {
        out += to_text(eval(*part));
        if (out.size() > kLargestText) fail("'~' makes a string that is too large");
    }
    return text(std::move(out));
}

Value Interpreter::eval_compare(const Expr& expr) {
    Value left = eval_part(expr, 0);
    for (std::size_t i = 0; i < expr.operators.size(); ++i) {
        Value right = eval_part(expr, i + 1);
        if (!compares(budget, expr.operators[i], left, right)) return false;
        left = std::move(right);
    }
    return true;
}

Value Interpreter::eval_conditional(const Expr& expr) {
    if (truth(eval_part(expr, 0))) return eval_part(expr, 1);
    return expr.parts[2] ? eval_part(expr, 2)
                         : Value(Undefined{"the value of an 'if' without 'else'"});
}

Arguments Interpreter::eval_arguments(const Expr& expr) {
    Arguments out;
    for (const auto& argument : expr.arguments) {
        if (argument.keyword.empty())
            out.positional.push_back(eval(*argument.value));
        else
            out.named.emplace_back(argument.keyword, eval(*argument.value));
    }
    return out;
}

Value Interpreter::eval_call(const Expr& expr) {
    const Value callee = eval_part(expr, 0);
    const auto arguments = eval_arguments(expr);
    line_ = expr.line;
    return call(callee, arguments);
}

Value Interpreter::call(const Value& callee, const Arguments& arguments) {
    if (const auto* missing = callee.get<Undefined>())
        fail("{} is undefined and cannot be called", missing->hint);
    const auto* function = callee.get<std::shared_ptr<const Callable>>();
    if (!function) fail("a {} cannot be called", type_name(callee));
    return (*function)->call(arguments);
}

Value Interpreter::attribute(const Value& of, const std::string& name) {
    if (const auto* missing = of.get<Undefined>())
        fail("{} is undefined; it has no '{}'", missing->hint, name);
    if (name.starts_with("__")) fail("the attribute '{}' is not allowed", name);
    if (of.get<std::shared_ptr<const Callable>>())
        fail("attributes of a function are not supported: '{}'", name);
    if (const auto* held = of.get<std::shared_ptr<Namespace>>()) {
        const auto found = (*held)->members.find(name);
        return found == (*held)->members.end() ? Value(Undefined{hint_of(of, name)})
                                               : found->second;
    }
    if (const auto* loop = of.get<std::shared_ptr<Loop>>())
        return loop_attribute(*this, *loop, name);
    if (auto method = bound_method(*this, of, name)) return std::move(*method);
    if (const auto* dict = of.dict())
        if (const auto* value = dict->find(Text{std::make_shared<const std::string>(name)}))
            return *value;
    return Undefined{hint_of(of, name)};
}

Value Interpreter::item(const Value& of, const Value& key) {
    if (const auto* missing = of.get<Undefined>())
        fail("{} is undefined; it has no items", missing->hint);
    if (const auto* dict = of.dict()) {
        budget.charge(key.text() ? 1 : dict->items.size());
        if (const auto* value = dict->find(key)) return *value;
    }
    const auto whole = key.integer();
    if (whole && (of.text() || (of.sequence() && of.sequence()->is_indexable())))
        return at_index(budget, of, *whole);
    if (key.text()) return attribute(of, *key.text());
    return Undefined{"an item of a " + type_name(of)};
}

}  // namespace hb::jinja
