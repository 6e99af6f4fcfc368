// SPDX-License-Identifier: Apache-2.0
// The values of a template: Python's None, bool, int (64 bits, an overflow is an error), float,
// str, list, tuple, dict, and jinja2's Undefined, namespace, loop and callables. Sequences and
// dicts never change once made, as in jinja2's immutable sandbox; only a namespace does. Every
// value is charged to a budget when it is made, and nesting is bounded, so a template cannot eat
// the machine.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/json.hpp"

namespace hb::jinja {

struct Value;
struct Sequence;
struct Dict;
struct Namespace;
struct Loop;
struct Callable;

struct Undefined {
    std::string hint;  // what was missing, for messages
};
struct None {};
struct Text {
    std::shared_ptr<const std::string> bytes;  // valid UTF-8
    bool safe = false;  // came through `safe`: jinja2 would escape what is added to it
};

struct Value : std::variant<Undefined, None, bool, std::int64_t, double, Text,
                            std::shared_ptr<const Sequence>, std::shared_ptr<const Dict>,
                            std::shared_ptr<Namespace>, std::shared_ptr<Loop>,
                            std::shared_ptr<const Callable>> {
    using variant::variant;
    template <class T>
    const T* get() const {
        return std::get_if<T>(this);
    }
    const Sequence* sequence() const;
    const Dict* dict() const;
    const std::string* text() const;
    bool is_undefined() const { return get<Undefined>(); }
    bool is_none() const { return get<None>(); }
    bool is_number() const { return get<bool>() || get<std::int64_t>() || get<double>(); }
    std::optional<std::int64_t> integer() const;  // of int and bool
    double number() const;                        // of a number
};

using Values = std::vector<Value>;

enum class SequenceKind { list, tuple, keys, values, items, range, generator };

struct Sequence {
    SequenceKind kind;
    Values items;
    int depth = 1;
    enum class Use { fresh, touched, spent };
    mutable Use use = Use::fresh;  // a generator gives its items once

    bool is_lazy() const { return kind == SequenceKind::generator; }
    bool is_indexable() const {
        return kind == SequenceKind::list || kind == SequenceKind::tuple ||
               kind == SequenceKind::range;
    }
};

struct Dict {
    std::vector<std::pair<Value, Value>> items;
    std::map<std::string, std::size_t, std::less<>> by_text;  // the keys that are strings
    int depth = 1;

    const Value* find(const Value& key) const;
    void set(Value key, Value value);
};

struct Namespace {
    std::map<std::string, Value, std::less<>> members;
};

struct Loop {
    std::size_t index0 = 0;
    std::shared_ptr<const Values> items;
    std::optional<Values> changed;
};

struct Arguments {
    Values positional;
    std::vector<std::pair<std::string, Value>> named;
};

struct Callable {
    std::string name;
    std::function<Value(const Arguments&)> call;
};

class Budget {
public:
    void charge(std::size_t steps);  // throws when the render has used up its steps

private:
    std::size_t left_ = 10'000'000;
};
constexpr std::size_t kLargestText = 16 * 1024 * 1024;

Value make_text(Budget& budget, std::string text, bool safe = false);
Value make_sequence(Budget& budget, SequenceKind kind, Values items);
Value make_list(Budget& budget, Values items);
Value make_dict(Budget& budget, std::vector<std::pair<Value, Value>> items);
Value from_json(Budget& budget, const Json& json, int depth = 0);

std::string type_name(const Value& value);  // as Python calls it
bool truth(const Value& value);
bool equal(const Value& a, const Value& b);
int compare(const Value& a,
            const Value& b);              // below, at or above 0; throws for types without an order
std::string to_text(const Value& value);  // str(value)
std::string repr(const Value& value);
std::string float_repr(double x);
// The items that a loop over `value` sees; throws for what cannot be iterated.
Values iterate(Budget& budget, const Value& value);
std::size_t length(const Value& value);
bool contains(Budget& budget, const Value& container, const Value& item);

}  // namespace hb::jinja
