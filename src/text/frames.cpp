// SPDX-License-Identifier: Apache-2.0
// jinja2 compiles each frame (the template, a loop's turn, a macro, ...) to a Python function with
// local variables. So a name that a frame surely sets, and does not read before, is undefined for
// the frames inside it until then, even when the caller's variables have it. Here those names are
// found.
#include "text/syntax.hpp"

namespace hb::jinja {
namespace {

struct Frame {
    const Frame* parent;
    Names known = {}, unset = {};

    bool knows(const std::string& name) const {
        return known.contains(name) || (parent && parent->knows(name));
    }
    void read(const Expr* expr) {
        if (!expr) return;
        if (expr->kind == ExprKind::name && !knows(expr->name)) known.insert(expr->name);
        for (const auto& part : expr->parts) read(part.get());
        for (const auto& argument : expr->arguments) read(argument.value.get());
    }
    void set(const std::string& name, bool surely) {
        if (!known.insert(name).second) return;
        if (surely && !(parent && parent->knows(name))) unset.insert(name);
    }
    void set(const Expr& target, bool surely) {
        if (target.kind == ExprKind::name) return set(target.name, surely);
        if (target.kind == ExprKind::namespace_member) return read(&target);
        for (const auto& part : target.parts) set(*part, surely);
    }
    void visit(const Body& body, bool surely) {
        for (const auto& statement : body) {
            if (statement->kind == StatementKind::macro) {
                set(statement->text, surely);
                continue;
            }
            read(statement->value.get());
            for (const auto& test : statement->tests) read(test.get());
            if (statement->kind == StatementKind::branch)
                for (const auto& branch : statement->bodies) visit(branch, false);
            const bool sets = statement->kind == StatementKind::set ||
                              statement->kind == StatementKind::set_block;
            if (sets) set(*statement->target, surely);
        }
    }
};

void find_inside(const Frame& frame, Body& body);

Names open(Frame frame, Body& body) {
    frame.visit(body, true);
    find_inside(frame, body);
    return std::move(frame.unset);
}

void find_inside(const Frame& frame, Body& body) {
    for (auto& statement : body) {
        if (statement->kind == StatementKind::branch) {
            for (auto& branch : statement->bodies) find_inside(frame, branch);
            continue;
        }
        for (auto& inner : statement->bodies) {
            Frame opened{&frame};
            if (statement->kind == StatementKind::loop && &inner == &statement->bodies[0]) {
                opened.known.insert("loop");
                opened.set(*statement->target, false);
            }
            for (const auto& name : statement->parameters) opened.known.insert(name);
            for (const auto& value : statement->defaults) opened.read(value.get());
            statement->unset.push_back(open(std::move(opened), inner));
        }
    }
}

}  // namespace

Names find_unset(Body& body) {
    return open(Frame{nullptr}, body);
}

}  // namespace hb::jinja
