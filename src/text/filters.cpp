// SPDX-License-Identifier: Apache-2.0
// Filters of single values, and the tests.
#include "text/filters.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "text/operators.hpp"
#include "text/python_text.hpp"

namespace hb::jinja {
namespace {

Value filter_trim(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("trim", arguments, {"chars"});
    return in.text(strip(to_text(value), bound.text_or_none(0), true, true));
}

template <auto function>
Value filter_text(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("the filter", arguments, {});
    return in.text(function(to_text(value)));
}

Value filter_string(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("string", arguments, {});
    return value.text() ? value : in.text(to_text(value));
}

Value filter_safe(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("safe", arguments, {});
    return make_text(in.budget, to_text(value), true);
}

Value filter_default(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("default", arguments, {"default_value", "boolean"});
    if (!value.is_undefined() && !(bound.flag_or(1, false) && !truth(value))) return value;
    return bound[0] ? *bound[0] : in.text("");
}

Value filter_replace(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("replace", arguments, {"old", "new", "count"});
    const auto count = bound[2] && !bound[2]->is_none() ? bound.integer_or(2, -1) : -1;
    return in.text(
        replace(to_text(value), to_text(bound.value(0)), to_text(bound.value(1)), count));
}

Value filter_indent(Interpreter& in, const Value& value, const Arguments& arguments) {
    const Bound bound("indent", arguments, {"width", "first", "blank"});
    if (!value.text()) fail("indent wants a string, not a {}", type_name(value));
    std::string indent(4, ' ');
    if (bound[0] && bound[0]->text())
        indent = *bound[0]->text();
    else
        indent.assign(
            static_cast<std::size_t>(std::clamp<std::int64_t>(bound.integer_or(0, 4), 0, 1000)),
            ' ');
    const auto lines = split_lines(*value.text() + "\n");
    const bool blank = bound.flag_or(2, false);
    std::string out = bound.flag_or(1, false) ? indent : "";
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (i) out += '\n';
        if (i && (blank || !lines[i].empty())) out += indent;
        out += lines[i];
        if (out.size() > kLargestText) fail("indent makes a string that is too large");
    }
    return in.text(std::move(out));
}

Value filter_int(Interpreter&, const Value& value, const Arguments& arguments) {
    const Bound bound("int", arguments, {"default", "base"});
    if (value.is_undefined()) fail("int of an undefined value");
    if (const auto whole = value.integer()) return *whole;
    std::optional<double> real;
    if (const auto* number = value.get<double>()) {
        if (std::isinf(*number)) fail("int of {}", *number);
        if (!std::isnan(*number)) real = *number;
    } else if (const auto* text = value.text()) {
        if (const auto whole = parse_int(*text, static_cast<int>(bound.integer_or(1, 10))))
            return *whole;
        real = parse_float(*text);
    }
    if (!real || !std::isfinite(*real)) return bound[0] ? *bound[0] : Value(std::int64_t{0});
    if (std::abs(*real) >= 0x1p63) fail("int of {} leaves 64 bits", *real);
    return static_cast<std::int64_t>(*real);
}

Value filter_float(Interpreter&, const Value& value, const Arguments& arguments) {
    const Bound bound("float", arguments, {"default"});
    if (value.is_undefined()) fail("float of an undefined value");
    if (value.is_number()) return value.number();
    if (value.text())
        if (const auto number = parse_float(*value.text())) return *number;
    return bound[0] ? *bound[0] : Value(0.0);
}

Value filter_abs(Interpreter&, const Value& value, const Arguments& arguments) {
    const Bound bound("abs", arguments, {});
    if (!value.is_number()) fail("abs wants a number, not a {}", type_name(value));
    if (const auto* number = value.get<double>()) return std::abs(*number);
    return *value.integer() < 0 ? negative(value) : positive(value);
}

Value filter_tojson(Interpreter& in, const Value& value, const Arguments& arguments) {
    return in.text(to_json_text(value, arguments));
}

const Value& operand(const char* what, const Arguments& arguments) {
    if (arguments.positional.size() != 1 || !arguments.named.empty())
        fail("the test '{}' wants one argument", what);
    return arguments.positional[0];
}

std::int64_t whole_number(const Value& value) {
    const auto whole = value.integer();
    if (!whole) fail("the test wants an int, not a {}", type_name(value));
    return *whole;
}

bool is_same(const Value& a, const Value& b) {
    if (a.index() != b.index()) return false;
    if (a.is_none()) return true;
    if (a.get<bool>()) return *a.get<bool>() == *b.get<bool>();
    fail("'sameas' is supported for None, True and False only");
}

bool is_cased(const Value& value, bool upper_wanted) {
    bool any = false;
    for (const char c : to_text(value)) {
        if (static_cast<unsigned char>(c) >= 0x80)
            fail("'lower' and 'upper' of text beyond ASCII are not supported");
        const bool low = c >= 'a' && c <= 'z', high = c >= 'A' && c <= 'Z';
        if (upper_wanted ? low : high) return false;
        any |= low || high;
    }
    return any;
}

bool differ(const Value& a, const Value& b) {
    return !equal(a, b);
}
bool is_below(const Value& a, const Value& b) {
    return compare(a, b) < 0;
}
bool is_at_most(const Value& a, const Value& b) {
    return compare(a, b) <= 0;
}
bool is_above(const Value& a, const Value& b) {
    return compare(a, b) > 0;
}
bool is_at_least(const Value& a, const Value& b) {
    return compare(a, b) >= 0;
}

bool divides(const Value& a, const Value& b) {
    const auto number = whole_number(a), divisor = whole_number(b);
    if (divisor == 0) fail("divisibleby 0");
    return divisor == -1 || number % divisor == 0;
}

bool is_sequence(const Value& value) {
    const auto* sequence = value.sequence();
    return value.is_undefined() || value.text() || value.dict() ||
           (sequence && sequence->is_indexable());
}

bool is_iterable(const Value& value) {
    return value.is_undefined() || value.text() || value.dict() || value.sequence() ||
           value.get<std::shared_ptr<Loop>>();
}

bool is_callable(const Value& value) {
    return value.is_undefined() || value.get<std::shared_ptr<const Callable>>() ||
           value.get<std::shared_ptr<Loop>>();
}

template <auto predicate>
bool test_plain(Interpreter&, const Value& value, const Arguments& arguments) {
    if (!arguments.positional.empty() || !arguments.named.empty())
        fail("the test takes no argument");
    return predicate(value);
}

template <auto predicate>
bool test_with(Interpreter&, const Value& value, const Arguments& arguments) {
    return predicate(value, operand("comparison", arguments));
}

bool test_in(Interpreter& in, const Value& value, const Arguments& arguments) {
    return contains(in.budget, operand("in", arguments), value);
}

}  // namespace

const Filters& filters() {
    static const Filters table = [] {
        Filters out = {
            {"trim", filter_trim},
            {"upper", filter_text<upper>},
            {"lower", filter_text<lower>},
            {"capitalize", filter_text<capitalize>},
            {"title", filter_text<title_words>},
            {"string", filter_string},
            {"safe", filter_safe},
            {"default", filter_default},
            {"d", filter_default},
            {"replace", filter_replace},
            {"indent", filter_indent},
            {"int", filter_int},
            {"float", filter_float},
            {"abs", filter_abs},
            {"tojson", filter_tojson},
        };
        out.insert(sequence_filters().begin(), sequence_filters().end());
        return out;
    }();
    return table;
}

const Tests& tests() {
    using V = const Value&;
    static const Tests table = {
        {"defined", test_plain<[](V v) { return !v.is_undefined(); }>},
        {"undefined", test_plain<[](V v) { return v.is_undefined(); }>},
        {"none", test_plain<[](V v) { return v.is_none(); }>},
        {"boolean", test_plain<[](V v) { return v.get<bool>() != nullptr; }>},
        {"true", test_plain<[](V v) { return v.get<bool>() && *v.get<bool>(); }>},
        {"false", test_plain<[](V v) { return v.get<bool>() && !*v.get<bool>(); }>},
        {"integer", test_plain<[](V v) { return v.get<std::int64_t>() != nullptr; }>},
        {"float", test_plain<[](V v) { return v.get<double>() != nullptr; }>},
        {"number", test_plain<[](V v) { return v.is_number(); }>},
        {"string", test_plain<[](V v) { return v.text() != nullptr; }>},
        {"mapping", test_plain<[](V v) { return v.dict() != nullptr; }>},
        {"sequence", test_plain<is_sequence>},
        {"iterable", test_plain<is_iterable>},
        {"callable", test_plain<is_callable>},
        {"lower", test_plain<[](V v) { return is_cased(v, false); }>},
        {"upper", test_plain<[](V v) { return is_cased(v, true); }>},
        {"odd", test_plain<[](V v) { return whole_number(v) % 2 != 0; }>},
        {"even", test_plain<[](V v) { return whole_number(v) % 2 == 0; }>},
        {"divisibleby", test_with<divides>},
        {"sameas", test_with<is_same>},
        {"in", test_in},
        {"==", test_with<equal>},
        {"eq", test_with<equal>},
        {"equalto", test_with<equal>},
        {"!=", test_with<differ>},
        {"ne", test_with<differ>},
        {"<", test_with<is_below>},
        {"lt", test_with<is_below>},
        {"lessthan", test_with<is_below>},
        {"<=", test_with<is_at_most>},
        {"le", test_with<is_at_most>},
        {">", test_with<is_above>},
        {"gt", test_with<is_above>},
        {"greaterthan", test_with<is_above>},
        {">=", test_with<is_at_least>},
        {"ge", test_with<is_at_least>},
    };
    return table;
}

bool is_known_filter(const std::string& name) {
    return filters().contains(name);
}
bool is_known_test(const std::string& name) {
    return tests().contains(name);
}

Value Interpreter::filter(const std::string& name, const Value& value, const Arguments& arguments) {
    const auto found = filters().find(name);
    if (found == filters().end()) fail("the filter '{}' is not known", name);
    if (value.text()) budget.charge(value.text()->size() / 8);
    Value out = found->second(*this, value, arguments);
    const bool keeps_mark = name == "upper" || name == "lower" || name == "trim" ||
                            name == "capitalize" || name == "indent" || name == "reverse";
    if (const auto* source = value.get<Text>(); source && source->safe && keeps_mark)
        if (auto* result = std::get_if<Text>(&out)) result->safe = true;
    return out;
}

bool Interpreter::test(const std::string& name, const Value& value, const Arguments& arguments) {
    const auto found = tests().find(name);
    if (found == tests().end()) fail("the test '{}' is not known", name);
    return found->second(*this, value, arguments);
}

}  // namespace hb::jinja
