// SPDX-License-Identifier: Apache-2.0
// Filters of lists and dicts. As in jinja2, some give a generator, which can be read once.
#include <algorithm>

#include "core/error.hpp"
#include "text/filters.hpp"
#include "text/python_text.hpp"
#include "text/unicode.hpp"

namespace hb::jinja {
namespace {

Value make_generator(Interpreter& in, Values items) {
    return make_sequence(in.budget, SequenceKind::generator, std::move(items));
}

// "a.0.b": an item of an item; digits are an index. `otherwise` replaces what is missing on the
// way.
Value by_path(Interpreter& in, Value value, const Value& path, const Value* otherwise = nullptr) {
    const auto step = [&](const Value& key) {
        value = in.item(value, key);
        if (value.is_undefined() && otherwise && !otherwise->is_none()) value = *otherwise;
        return value;
    };
    if (path.integer()) return step(path);
    if (!path.text()) fail("an attribute is a {}; wanted a string", type_name(path));
    const std::string dot = ".";
    for (const auto& part : split(*path.text(), &dot, -1)) {
        const bool digits = !part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
            return c >= '0' && c <= '9';
        });
        step(digits && part.size() < 18 ? Value(static_cast<std::int64_t>(std::stoll(part)))
                                        : in.text(part));
    }
    return value;
}

Value without_case(Interpreter& in, const Value& value, bool case_sensitive) {
    return value.text() && !case_sensitive ? in.text(lower(*value.text())) : value;
}

Value filter_length(Interpreter&, const Value& value, const Arguments& arguments) {
    const Bound bound("length", arguments, {});
    return static_cast<std::int64_t>(length(value));
}

Value filter_list(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("list", arguments, {});
    return make_list(in.budget, iterate(in.budget, value));
}

Value filter_join(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("join", arguments, {"d", "attribute"});
    const auto separator = bound[0] ? to_text(*bound[0]) : "";
    std::string out;
    bool first = true;
    for (const auto& item : iterate(in.budget, value)) {
        if (!std::exchange(first, false)) out += separator;
        out += to_text(bound[1] && !bound[1]->is_none() ? by_path(in, item, *bound[1]) : item);
        if (out.size() > kLargestText) fail("join makes a string that is too large");
    }
    return in.text(std::move(out));
}

Value filter_first(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("first", arguments, {});
    const auto items = iterate(in.budget, value);
    if (value.sequence() && value.sequence()->is_lazy() && !items.empty())
        value.sequence()->use = Sequence::Use::touched;
    return items.empty() ? Value(Undefined{"the first item of nothing"}) : items.front();
}

Value filter_last(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("last", arguments, {});
    if (value.sequence() && value.sequence()->is_lazy())
        fail("a generator has no last item; put '|list' before");
    const auto items = iterate(in.budget, value);
    return items.empty() ? Value(Undefined{"the last item of nothing"}) : items.back();
}

Value filter_reverse(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("reverse", arguments, {});
    if (value.is_undefined()) fail("reverse of an undefined value");
    if (value.text()) {
        auto points = to_code_points(*value.text());
        std::reverse(points.begin(), points.end());
        return in.text(to_utf8(points));
    }
    const bool lazy = value.sequence() && value.sequence()->is_lazy();
    auto items = iterate(in.budget, value);
    std::reverse(items.begin(), items.end());
    return lazy ? make_list(in.budget, std::move(items)) : make_generator(in, std::move(items));
}

Value filter_items(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("items", arguments, {});
    if (!value.is_undefined() && !value.dict())
        fail("items wants a dict, not a {}", type_name(value));
    Values out;
    if (value.dict())
        for (const auto& [key, item] : value.dict()->items)
            out.push_back(make_sequence(in.budget, SequenceKind::tuple, {key, item}));
    return make_generator(in, std::move(out));
}

struct Keyed {
    Value key, item;
};

Values sorted(Interpreter& in, std::vector<Keyed> keyed, bool reverse) {
    std::size_t steps = keyed.size();
    for (auto n = keyed.size(); n > 0; n /= 2) steps += keyed.size();
    in.budget.charge(steps);
    std::stable_sort(keyed.begin(), keyed.end(), [reverse](const Keyed& a, const Keyed& b) {
        return reverse ? compare(b.key, a.key) < 0 : compare(a.key, b.key) < 0;
    });
    Values out;
    for (auto& entry : keyed) out.push_back(std::move(entry.item));
    return out;
}

Value filter_sort(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("sort", arguments, {"reverse", "case_sensitive", "attribute"});
    const bool by_attribute = bound[2] && !bound[2]->is_none();
    if (by_attribute && bound[2]->text() && bound[2]->text()->find(',') != std::string::npos)
        fail("sort by several attributes is not supported");
    std::vector<Keyed> keyed;
    for (const auto& item : iterate(in.budget, value)) {
        const Value key = by_attribute ? by_path(in, item, *bound[2]) : item;
        keyed.push_back({without_case(in, key, bound.flag_or(1, false)), item});
    }
    return make_list(in.budget, sorted(in, std::move(keyed), bound.flag_or(0, false)));
}

Value filter_dictsort(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("dictsort", arguments, {"case_sensitive", "by", "reverse"});
    const auto by = bound[1] ? bound.text(1) : "key";
    if (by != "key" && by != "value") fail("dictsort sorts by 'key' or 'value', not by '{}'", by);
    if (!value.dict()) fail("dictsort wants a dict, not a {}", type_name(value));
    std::vector<Keyed> keyed;
    for (const auto& [key, item] : value.dict()->items)
        keyed.push_back({without_case(in, by == "key" ? key : item, bound.flag_or(0, false)),
                         make_sequence(in.budget, SequenceKind::tuple, {key, item})});
    return make_list(in.budget, sorted(in, std::move(keyed), bound.flag_or(2, false)));
}

Value filter_unique(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("unique", arguments, {"case_sensitive", "attribute"});
    Values keys, out;
    for (const auto& item : iterate(in.budget, value)) {
        const Value key =
            without_case(in, bound[1] && !bound[1]->is_none() ? by_path(in, item, *bound[1]) : item,
                         bound.flag_or(0, false));
        if (key.dict() || (key.sequence() && key.sequence()->kind == SequenceKind::list))
            fail("unique of a {}", type_name(key));
        in.budget.charge(keys.size());
        if (std::any_of(keys.begin(), keys.end(),
                        [&key](const Value& other) { return equal(key, other); }))
            continue;
        keys.push_back(key);
        out.push_back(item);
    }
    return make_generator(in, std::move(out));
}

template <bool largest>
Value filter_extreme(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("min and max", arguments, {"case_sensitive", "attribute"});
    Value best = Undefined{"the extreme of nothing"}, best_key;
    for (const auto& item : iterate(in.budget, value)) {
        const Value key =
            without_case(in, bound[1] && !bound[1]->is_none() ? by_path(in, item, *bound[1]) : item,
                         bound.flag_or(0, false));
        const bool first = best.is_undefined() && best_key.is_undefined();
        if (!first && !(largest ? compare(key, best_key) > 0 : compare(key, best_key) < 0))
            continue;
        best = item;
        best_key = key;
    }
    return best;
}

Values iterate_if_true(Interpreter& in, const Value& value) {
    return truth(value) ? iterate(in.budget, value) : Values{};
}

Value filter_map(Interpreter& in, const Value& value, const Arguments& arguments) {
    Values out;
    if (arguments.positional.empty()) {
        const Bound bound("map", arguments, {"attribute", "default"});
        for (const auto& item : iterate_if_true(in, value))
            out.push_back(by_path(in, item, bound.value(0), bound[1]));
        return make_generator(in, std::move(out));
    }
    const auto* name = arguments.positional[0].text();
    if (!name) fail("map wants the name of a filter or attribute=");
    const Arguments rest{{arguments.positional.begin() + 1, arguments.positional.end()},
                         arguments.named};
    for (const auto& item : iterate_if_true(in, value)) out.push_back(in.filter(*name, item, rest));
    return make_generator(in, std::move(out));
}

// select, reject, selectattr, rejectattr: the items for which a test holds, or does not.
template <bool by_attribute, bool wanted>
Value filter_select(Interpreter& in, const Value& value, const Arguments& arguments) {
    auto next = arguments.positional.begin();
    const auto end = arguments.positional.end();
    if (by_attribute && next == end) fail("selectattr and rejectattr want an attribute");
    const Value path = by_attribute ? *next++ : Value(None{});
    const std::string* name = next == end ? nullptr : next->text();
    if (next != end && !name) fail("select wants the name of a test");
    Arguments rest;
    if (name) rest = {{next + 1, end}, arguments.named};
    Values out;
    for (const auto& item : iterate_if_true(in, value)) {
        const Value subject = by_attribute ? by_path(in, item, path) : item;
        if ((name ? in.test(*name, subject, rest) : truth(subject)) == wanted) out.push_back(item);
    }
    return make_generator(in, std::move(out));
}

}  // namespace

const Filters& sequence_filters() {
    static const Filters table = {
        {"length", filter_length},
        {"count", filter_length},
        {"list", filter_list},
        {"join", filter_join},
        {"first", filter_first},
        {"last", filter_last},
        {"reverse", filter_reverse},
        {"items", filter_items},
        {"sort", filter_sort},
        {"dictsort", filter_dictsort},
        {"unique", filter_unique},
        {"min", filter_extreme<false>},
        {"max", filter_extreme<true>},
        {"map", filter_map},
        {"select", filter_select<false, true>},
        {"reject", filter_select<false, false>},
        {"selectattr", filter_select<true, true>},
        {"rejectattr", filter_select<true, false>},
    };
    return table;
}

}  // namespace hb::jinja
