// SPDX-License-Identifier: Apache-2.0
// The syntax tree of a template. `parts` are the operands in the order in which they are written.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "text/lexer.hpp"
#include "text/values.hpp"

namespace hb::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class ExprKind {
    constant,
    name,
    tuple,
    list,
    dict,  // dict: key, value, key, value, ...
    attribute,
    item,
    slice,  // slice: the sequence, start, stop, step (null: left out)
    call,
    filter,
    test,  // filter of a block: its first part is null
    negative,
    positive,
    logical_not,
    logical_and,
    logical_or,
    binary,
    concat,
    compare,
    conditional,      // condition, then, else (null: left out)
    namespace_member  // target of a set: name.member
};

struct Argument {
    std::string keyword;  // empty: by position
    ExprPtr value;
};

struct Expr {
    ExprKind kind;
    int line;
    std::string name = {};  // of a name, attribute, filter, test; the operator of a binary
    Value value = None{};
    std::vector<ExprPtr> parts = {};
    std::vector<Argument> arguments = {};
    std::vector<std::string> operators = {};  // of a compare
    int depth = 1;
};

using Names = std::set<std::string, std::less<>>;

struct Statement;
using Body = std::vector<std::unique_ptr<Statement>>;

enum class StatementKind {
    text,
    print,
    branch,
    loop,
    set,
    set_block,
    macro,
    scope,
    filter_block,
    next,
    leave
};

struct Statement {
    StatementKind kind;
    int line;
    std::string text = {};            // of text; a macro's name
    ExprPtr target = {}, value = {};  // loop: target, iterable; set: target, value; print: value
    ExprPtr condition = {};           // loop
    std::vector<ExprPtr> tests = {};  // branch: one for each body but the `else`
    std::vector<Body> bodies = {};    // branch: [body..., else]; loop: [body, else]; others: [body]
    std::vector<std::string> parameters = {};
    std::vector<ExprPtr> defaults = {};  // of the last parameters
    std::vector<Names> unset = {};       // by body; filled in by find_unset
};

// Names that are undefined inside a frame until it sets them (frames.cpp); of the whole template.
Names find_unset(Body& body);

Body parse(std::vector<Token> tokens, const std::string& where);
bool is_known_filter(const std::string& name);
bool is_known_test(const std::string& name);

}  // namespace hb::jinja
