// SPDX-License-Identifier: Apache-2.0
// Methods of str, dict and list. A Python method that is not here is an error rather than a missing
// attribute, as jinja2 would have found it before a key of the same name.
#include <algorithm>

#include "core/error.hpp"
#include "text/filters.hpp"
#include "text/python_text.hpp"

namespace hb::jinja {
namespace {

using Method = Value (*)(Interpreter&, const Value&, const Arguments&);
using Methods = std::map<std::string, Method, std::less<>>;

Value text_list(Interpreter& in, std::vector<std::string> parts, bool safe) {
    Values items;
    for (auto& part : parts) items.push_back(make_text(in.budget, std::move(part), safe));
    return make_list(in.budget, std::move(items));
}

template <bool left, bool right>
Value str_strip(Interpreter& in, const Value& self, const Arguments& arguments) {
    const Bound bound("strip", arguments, {"chars"});
    return in.text(strip(*self.text(), bound.text_or_none(0), left, right));
}

template <auto function>
Value str_map(Interpreter& in, const Value& self, const Arguments& arguments) {
    const Bound bound("the method", arguments, {});
    return in.text(function(*self.text()));
}

template <auto function>
Value str_split(Interpreter& in, const Value& self, const Arguments& arguments) {
    const Bound bound("split", arguments, {"sep", "maxsplit"});
    return text_list(in, function(*self.text(), bound.text_or_none(0), bound.integer_or(1, -1)),
                     self.get<Text>()->safe);
}

Value str_splitlines(Interpreter& in, const Value& self, const Arguments& arguments) {
    const Bound bound("splitlines", arguments, {});
    return text_list(in, split_lines(*self.text()), self.get<Text>()->safe);
}

template <bool start>
Value str_has_affix(Interpreter&, const Value& self, const Arguments& arguments) {
    const Bound bound("startswith", arguments, {"prefix"});
    const auto has = [&self](const Value& affix) {
        if (!affix.text())
            fail("startswith and endswith want a string, not a {}", type_name(affix));
        return start ? self.text()->starts_with(*affix.text())
                     : self.text()->ends_with(*affix.text());
    };
    const auto* several = bound.value(0).sequence();
    if (!several || several->kind != SequenceKind::tuple) return has(bound.value(0));
    return std::any_of(several->items.begin(), several->items.end(), has);
}

template <bool start>
Value str_remove_affix(Interpreter& in, const Value& self, const Arguments& arguments) {
    const Bound bound("removeprefix", arguments, {"prefix"});
    const auto &text = *self.text(), &affix = bound.text(0);
    if (start) return in.text(text.starts_with(affix) ? text.substr(affix.size()) : text);
    return in.text(text.ends_with(affix) ? text.substr(0, text.size() - affix.size()) : text);
}

Value str_replace(Interpreter& in, const Value& self, const Arguments& arguments) {
    const Bound bound("replace", arguments, {"old", "new", "count"});
    return in.text(replace(*self.text(), bound.text(0), bound.text(1), bound.integer_or(2, -1)));
}

template <bool last>
Value str_find(Interpreter&, const Value& self, const Arguments& arguments) {
    const Bound bound("find", arguments, {"sub"});
    return find(*self.text(), bound.text(0), last);
}

Value str_count(Interpreter&, const Value& self, const Arguments& arguments) {
    const Bound bound("count", arguments, {"sub"});
    return static_cast<std::int64_t>(count(*self.text(), bound.text(0)));
}

Value str_join(Interpreter& in, const Value& self, const Arguments& arguments) {
    const Bound bound("join", arguments, {"iterable"});
    std::string out;
    bool first = true;
    for (const auto& item : iterate(in.budget, bound.value(0))) {
        if (!item.text()) fail("str.join wants strings, got a {}", type_name(item));
        if (!std::exchange(first, false)) out += *self.text();
        out += *item.text();
        if (out.size() > kLargestText) fail("join makes a string that is too large");
    }
    return in.text(std::move(out));
}

Value str_isdigit(Interpreter&, const Value& self, const Arguments& arguments) {
    const Bound bound("isdigit", arguments, {});
    for (const char c : *self.text())
        if (static_cast<unsigned char>(c) >= 0x80)
            fail("isdigit of text beyond ASCII is not supported");
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    return !self.text()->empty() && std::all_of(self.text()->begin(), self.text()->end(), digit);
}

Value str_isspace(Interpreter&, const Value& self, const Arguments& arguments) {
    const Bound bound("isspace", arguments, {});
    return !self.text()->empty() && leading_space(*self.text()) == self.text()->size();
}

// Plain replacement fields only: {}, {0}, {name}, and {{ }}.
Value str_format(Interpreter& in, const Value& self, const Arguments& arguments) {
    const auto& text = *self.text();
    std::string out;
    std::size_t next = 0;
    bool any_number = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '{' && text[at] != '}') {
            out += text[at];
            continue;
        }
        if (at + 1 < text.size() && text[at + 1] == text[at]) {
            out += text[at++];
            continue;
        }
        const auto close = text.find('}', at);
        if (text[at] == '}' || close == std::string::npos)
            fail("format: a brace without its pair in '{}'", text.substr(0, 80));
        const auto field = text.substr(at + 1, close - at - 1);
        if (field.find_first_of(".[!:{") != std::string::npos)
            fail("format: the field '{{{}}}' is not supported", field);
        const bool number = !field.empty() && field.size() < 5 &&
                            field.find_first_not_of("0123456789") == std::string::npos;
        any_number |= number;
        if (any_number && (next > 0 || field.empty()))
            fail("format: numbered and plain fields in one string");
        const auto index = number ? static_cast<std::size_t>(std::stoul(field)) : next;
        if (field.empty() || number) {
            if (index >= arguments.positional.size())
                fail("format: no argument for the field {}", index);
            out += to_text(arguments.positional[index]);
            next += field.empty();
        } else {
            const auto named = std::find_if(arguments.named.begin(), arguments.named.end(),
                                            [&](const auto& a) { return a.first == field; });
            if (named == arguments.named.end()) fail("format: no argument '{}'", field);
            out += to_text(named->second);
        }
        if (out.size() > kLargestText) fail("format makes a string that is too large");
        at = close;
    }
    return in.text(std::move(out));
}

template <SequenceKind kind>
Value dict_view(Interpreter& in, const Value& self, const Arguments& arguments) {
    const Bound bound("the view of a dict", arguments, {});
    Values out;
    for (const auto& [key, value] : self.dict()->items) {
        if (kind == SequenceKind::keys)
            out.push_back(key);
        else if (kind == SequenceKind::values)
            out.push_back(value);
        else
            out.push_back(make_sequence(in.budget, SequenceKind::tuple, {key, value}));
    }
    return make_sequence(in.budget, kind, std::move(out));
}

Value dict_get(Interpreter&, const Value& self, const Arguments& arguments) {
    if (!arguments.named.empty()) fail("get takes no argument by name");
    const Bound bound("get", arguments, {"key", "default"});
    if (const auto* value = self.dict()->find(bound.value(0))) return *value;
    return bound[1] ? *bound[1] : Value(None{});
}

Value dict_copy(Interpreter&, const Value& self, const Arguments& arguments) {
    const Bound bound("copy", arguments, {});
    return self;
}

Value list_count(Interpreter& in, const Value& self, const Arguments& arguments) {
    const Bound bound("count", arguments, {"value"});
    const auto& items = self.sequence()->items;
    in.budget.charge(items.size());
    return static_cast<std::int64_t>(std::count_if(
        items.begin(), items.end(), [&](const Value& v) { return equal(v, bound.value(0)); }));
}

Value list_index(Interpreter& in, const Value& self, const Arguments& arguments) {
    const Bound bound("index", arguments, {"value"});
    const auto& items = self.sequence()->items;
    in.budget.charge(items.size());
    const auto found = std::find_if(items.begin(), items.end(),
                                    [&](const Value& v) { return equal(v, bound.value(0)); });
    if (found == items.end()) fail("index: the value is not in the list");
    return static_cast<std::int64_t>(found - items.begin());
}

const Methods kText = {
    {"strip", str_strip<true, true>},
    {"lstrip", str_strip<true, false>},
    {"rstrip", str_strip<false, true>},
    {"upper", str_map<upper>},
    {"lower", str_map<lower>},
    {"title", str_map<title>},
    {"capitalize", str_map<capitalize>},
    {"split", str_split<split>},
    {"rsplit", str_split<split_from_right>},
    {"splitlines", str_splitlines},
    {"startswith", str_has_affix<true>},
    {"endswith", str_has_affix<false>},
    {"removeprefix", str_remove_affix<true>},
    {"removesuffix", str_remove_affix<false>},
    {"replace", str_replace},
    {"find", str_find<false>},
    {"rfind", str_find<true>},
    {"count", str_count},
    {"join", str_join},
    {"isdigit", str_isdigit},
    {"isspace", str_isspace},
    {"format", str_format},
};
const Methods kDict = {
    {"items", dict_view<SequenceKind::items>},
    {"keys", dict_view<SequenceKind::keys>},
    {"values", dict_view<SequenceKind::values>},
    {"get", dict_get},
    {"copy", dict_copy},
};
const Methods kList = {{"count", list_count}, {"index", list_index}};
const Methods kNone = {};

// What Python has and we do not.
constexpr std::string_view kOtherText =
    " casefold center encode expandtabs format_map index isalnum isalpha isascii isdecimal "
    "isidentifier islower isnumeric"
    " isprintable istitle isupper ljust maketrans partition rindex rjust rpartition swapcase "
    "translate zfill ";
constexpr std::string_view kOtherDict = " clear fromkeys pop popitem setdefault update ";
constexpr std::string_view kOtherList = " append clear copy extend insert pop remove reverse sort ";
constexpr std::string_view kOtherView = " isdisjoint mapping close send throw start stop step ";
constexpr std::string_view kOtherNumber =
    " as_integer_ratio bit_count bit_length conjugate denominator from_bytes fromhex hex imag "
    "is_integer numerator real to_bytes ";

// jinja2 would escape the arguments of a method of a string marked safe.
void mark_safe(Text& result, const Arguments& arguments) {
    const auto plain = [](const Value& value) {
        return value.text() && value.text()->find_first_of("&<>'\"") == std::string::npos;
    };
    if (!arguments.named.empty() ||
        !std::all_of(arguments.positional.begin(), arguments.positional.end(), plain))
        fail("this argument to a method of a string marked safe is not supported");
    result.safe = true;
}

std::pair<const Methods*, std::string_view> methods_of(const Value& self) {
    if (self.text()) return {&kText, kOtherText};
    if (self.dict()) return {&kDict, kOtherDict};
    if (self.is_number()) return {&kNone, kOtherNumber};
    const auto* sequence = self.sequence();
    if (!sequence) return {&kNone, ""};
    if (sequence->kind == SequenceKind::list || sequence->kind == SequenceKind::range)
        return {&kList, kOtherList};
    if (sequence->kind == SequenceKind::tuple) return {&kList, ""};
    return {&kNone, kOtherView};
}

}  // namespace

std::optional<Value> bound_method(Interpreter& in, const Value& self, const std::string& name) {
    const auto [methods, others] = methods_of(self);
    if (others.find(" " + name + " ") != std::string_view::npos)
        fail("the method '{}' of a {} is not supported", name, type_name(self));
    const auto found = methods->find(name);
    if (found == methods->end()) return std::nullopt;
    in.budget.charge(4);
    auto body = [&in, self, method = found->second](const Arguments& arguments) {
        if (self.text()) in.budget.charge(self.text()->size() / 8);
        Value out = method(in, self, arguments);
        const auto* source = self.get<Text>();
        if (auto* result = std::get_if<Text>(&out); result && source && source->safe)
            mark_safe(*result, arguments);
        return out;
    };
    return std::make_shared<const Callable>(Callable{name, std::move(body)});
}

}  // namespace hb::jinja
