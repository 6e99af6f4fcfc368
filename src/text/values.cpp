// SPDX-License-Identifier: Apache-2.0
#include "text/values.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "text/unicode.hpp"

namespace hb::jinja {
namespace {

constexpr int kDeepest = 200;

int depth_of(const Value& value) {
    if (const auto* sequence = value.sequence()) return sequence->depth;
    if (const auto* dict = value.dict()) return dict->depth;
    return 0;
}

void check_depth(int depth) {
    if (depth > kDeepest) fail("values are nested more than {} deep", kDeepest);
}

// Rank of kinds that compare as equal across types: all numbers are one kind.
bool both_numbers(const Value& a, const Value& b) {
    return a.is_number() && b.is_number();
}

bool equal_sequences(const Sequence& a, const Sequence& b) {
    if (&a == &b) return true;
    if (a.kind != b.kind) return false;
    if (!a.is_indexable()) fail("comparing two views or generators is not supported");
    return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), equal);
}

bool equal_dicts(const Dict& a, const Dict& b) {
    if (&a == &b) return true;
    if (a.items.size() != b.items.size()) return false;
    return std::all_of(a.items.begin(), a.items.end(), [&b](const auto& item) {
        const Value* other = b.find(item.first);
        return other && equal(item.second, *other);
    });
}

int compare_numbers(const Value& a, const Value& b) {
    const auto left = a.integer(), right = b.integer();
    if (left && right) return *left < *right ? -1 : *left > *right;
    const long double x = left ? static_cast<long double>(*left) : a.number();
    const long double y = right ? static_cast<long double>(*right) : b.number();
    return x < y ? -1 : x > y;
}

}  // namespace

const Sequence* Value::sequence() const {
    const auto* held = get<std::shared_ptr<const Sequence>>();
    return held ? held->get() : nullptr;
}
const Dict* Value::dict() const {
    const auto* held = get<std::shared_ptr<const Dict>>();
    return held ? held->get() : nullptr;
}
const std::string* Value::text() const {
    const auto* held = get<Text>();
    return held ? held->bytes.get() : nullptr;
}
std::optional<std::int64_t> Value::integer() const {
    if (const auto* flag = get<bool>()) return *flag;
    if (const auto* number = get<std::int64_t>()) return *number;
    return std::nullopt;
}
double Value::number() const {
    if (const auto whole = integer()) return static_cast<double>(*whole);
    return std::get<double>(*this);
}

void Budget::charge(std::size_t steps) {
    if (steps > left_) fail("the template takes more than 10 million steps");
    left_ -= steps;
}

const Value* Dict::find(const Value& key) const {
    if (const auto* text = key.text()) {
        const auto found = by_text.find(*text);
        return found == by_text.end() ? nullptr : &items[found->second].second;
    }
    if (key.sequence() && key.sequence()->kind == SequenceKind::list)
        fail("a list cannot be a key of a dict");
    if (key.dict()) fail("a dict cannot be a key of a dict");
    if (by_text.size() == items.size()) return nullptr;
    const auto same = [&key](const auto& item) { return equal(item.first, key); };
    const auto found = std::find_if(items.begin(), items.end(), same);
    return found == items.end() ? nullptr : &found->second;
}

void Dict::set(Value key, Value value) {
    depth = std::max({depth, depth_of(key) + 1, depth_of(value) + 1});
    check_depth(depth);
    if (const Value* known = find(key)) {
        *const_cast<Value*>(known) = std::move(value);
        return;
    }
    if (const auto* text = key.text()) by_text.emplace(*text, items.size());
    items.emplace_back(std::move(key), std::move(value));
}

Value make_text(Budget& budget, std::string text, bool safe) {
    if (text.size() > kLargestText)
        fail("a string of {} bytes; at most {} are allowed", text.size(), kLargestText);
    budget.charge(1 + text.size() / 16);
    return Text{std::make_shared<const std::string>(std::move(text)), safe};
}

Value make_sequence(Budget& budget, SequenceKind kind, Values items) {
    budget.charge(1 + 4 * items.size());
    auto sequence = std::make_shared<Sequence>(Sequence{kind, std::move(items)});
    for (const auto& item : sequence->items)
        sequence->depth = std::max(sequence->depth, depth_of(item) + 1);
    check_depth(sequence->depth);
    return std::shared_ptr<const Sequence>(std::move(sequence));
}

Value make_list(Budget& budget, Values items) {
    return make_sequence(budget, SequenceKind::list, std::move(items));
}

Value make_dict(Budget& budget, std::vector<std::pair<Value, Value>> items) {
    auto dict = std::make_shared<Dict>();
    for (auto& [key, value] : items) {
        const bool by_scan = !key.text();
        budget.charge(8 + (by_scan ? dict->items.size() : 0));
        dict->set(std::move(key), std::move(value));
    }
    return std::shared_ptr<const Dict>(std::move(dict));
}

Value from_json(Budget& budget, const Json& json, int depth) {
    check_depth(depth);
    if (json.is_null()) return None{};
    if (json.is_boolean()) return json.get<bool>();
    if (json.is_number_float()) return json.get<double>();
    if (json.is_string())
        return make_text(budget, replace_invalid_utf8(json.get_ref<const std::string&>()));
    if (json.is_number_integer()) {
        if (json.is_number_unsigned() &&
            json.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
            fail("the integer {} does not fit into 64 bits", json.get<std::uint64_t>());
        return json.get<std::int64_t>();
    }
    if (json.is_array()) {
        Values items;
        for (const auto& item : json) items.push_back(from_json(budget, item, depth + 1));
        return make_list(budget, std::move(items));
    }
    if (!json.is_object()) fail("the variables hold a JSON value of the type {}", json.type_name());
    std::vector<std::pair<Value, Value>> items;
    for (const auto& [key, value] : json.items())
        items.emplace_back(make_text(budget, replace_invalid_utf8(key)),
                           from_json(budget, value, depth + 1));
    return make_dict(budget, std::move(items));
}

std::string type_name(const Value& value) {
    if (const auto* sequence = value.sequence()) {
        constexpr const char* kNames[] = {"list",       "tuple", "dict_keys", "dict_values",
                                          "dict_items", "range", "generator"};
        return kNames[static_cast<int>(sequence->kind)];
    }
    constexpr const char* kNames[] = {"Undefined", "None", "bool",      "int",  "float",   "str",
                                      "",          "dict", "namespace", "loop", "function"};
    return kNames[value.index()];
}

bool truth(const Value& value) {
    if (value.is_undefined() || value.is_none()) return false;
    if (const auto whole = value.integer()) return *whole != 0;
    if (const auto* number = value.get<double>()) return *number != 0;
    if (const auto* text = value.text()) return !text->empty();
    if (const auto* sequence = value.sequence())
        return sequence->is_lazy() || !sequence->items.empty();
    if (const auto* dict = value.dict()) return !dict->items.empty();
    return true;
}

bool equal(const Value& a, const Value& b) {
    if (both_numbers(a, b)) {
        if (std::isnan(a.number()) || std::isnan(b.number())) return false;
        return compare_numbers(a, b) == 0;
    }
    if (a.index() != b.index()) return false;
    if (a.is_undefined() || a.is_none()) return true;
    if (const auto* text = a.text()) return *text == *b.text();
    if (const auto* sequence = a.sequence()) return equal_sequences(*sequence, *b.sequence());
    if (const auto* dict = a.dict()) return equal_dicts(*dict, *b.dict());
    if (const auto* held = a.get<std::shared_ptr<Namespace>>())
        return *held == *b.get<std::shared_ptr<Namespace>>();
    fail("comparing two values of the type {} is not supported", type_name(a));
}

int compare(const Value& a, const Value& b) {
    if (both_numbers(a, b)) return compare_numbers(a, b);
    if (a.text() && b.text()) return a.text()->compare(*b.text());
    const auto *left = a.sequence(), *right = b.sequence();
    if (left && right && left->kind == right->kind && left->is_indexable() &&
        left->kind != SequenceKind::range) {
        for (std::size_t i = 0; i < std::min(left->items.size(), right->items.size()); ++i)
            if (!equal(left->items[i], right->items[i]))
                return compare(left->items[i], right->items[i]);
        return left->items.size() < right->items.size() ? -1
                                                        : left->items.size() > right->items.size();
    }
    fail("a {} and a {} have no order", type_name(a), type_name(b));
}

Values iterate(Budget& budget, const Value& value) {
    if (value.is_undefined()) return {};
    if (const auto* sequence = value.sequence()) {
        budget.charge(sequence->items.size());
        if (!sequence->is_lazy()) return sequence->items;
        if (sequence->use == Sequence::Use::touched)
            fail("a generator that was partly read is read again");
        const bool spent =
            std::exchange(sequence->use, Sequence::Use::spent) == Sequence::Use::spent;
        return spent ? Values{} : sequence->items;
    }
    Values out;
    if (const auto* dict = value.dict()) {
        budget.charge(dict->items.size());
        for (const auto& item : dict->items) out.push_back(item.first);
    } else if (const auto* text = value.text()) {
        for (std::size_t at = 0; at < text->size();) {
            const auto first = at;
            next_code_point(*text, at);
            out.push_back(make_text(budget, text->substr(first, at - first)));
        }
    } else {
        fail("a {} cannot be iterated", type_name(value));
    }
    return out;
}

std::size_t length(const Value& value) {
    if (value.is_undefined()) return 0;
    if (const auto* dict = value.dict()) return dict->items.size();
    if (const auto* sequence = value.sequence(); sequence && !sequence->is_lazy())
        return sequence->items.size();
    if (const auto* text = value.text())
        return static_cast<std::size_t>(std::count_if(text->begin(), text->end(), [](char c) {
            return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
        }));
    if (const auto* loop = value.get<std::shared_ptr<Loop>>()) return (*loop)->items->size();
    fail("a {} has no length", type_name(value));
}

bool contains(Budget& budget, const Value& container, const Value& item) {
    if (const auto* text = container.text()) {
        if (!item.text()) fail("'in' a string wants a string, not a {}", type_name(item));
        budget.charge(text->size() / 16);
        return text->find(*item.text()) != std::string::npos;
    }
    if (const auto* dict = container.dict()) {
        budget.charge(item.text() ? 1 : dict->items.size());
        return dict->find(item) != nullptr;
    }
    if (const auto* sequence = container.sequence(); sequence && sequence->is_lazy()) {
        const auto items = iterate(budget, container);
        const auto found = std::find_if(items.begin(), items.end(),
                                        [&](const Value& v) { return equal(v, item); });
        if (found != items.end()) sequence->use = Sequence::Use::touched;
        return found != items.end();
    }
    for (const auto& member : iterate(budget, container))
        if (equal(member, item)) return true;
    return false;
}

}  // namespace hb::jinja
