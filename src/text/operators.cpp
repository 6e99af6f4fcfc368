// SPDX-License-Identifier: Apache-2.0
#include "text/operators.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "text/unicode.hpp"

namespace hb::jinja {
namespace {

[[noreturn]] void fail_types(const std::string& name, const Value& a, const Value& b) {
    const auto* missing = a.get<Undefined>() ? a.get<Undefined>() : b.get<Undefined>();
    if (missing) fail("{} is undefined, so '{}' cannot use it", missing->hint, name);
    fail("'{}' does not work on a {} and a {}", name, type_name(a), type_name(b));
}

// What jinja2 (markupsafe) makes of a plain string that is added to one marked safe.
std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '\'')
            out += "&#39;";
        else if (c == '"')
            out += "&#34;";
        else
            out += c;
    }
    return out;
}

std::string added(const Text& a, const Text& b) {
    if (a.safe == b.safe) return *a.bytes + *b.bytes;
    return a.safe ? *a.bytes + escaped(*b.bytes) : escaped(*a.bytes) + *b.bytes;
}

std::int64_t integer_power(std::int64_t base, std::int64_t exponent) {
    std::int64_t out = 1;
    while (true) {
        if ((exponent & 1) && __builtin_mul_overflow(out, base, &out)) fail("'**' leaves 64 bits");
        exponent >>= 1;
        if (exponent == 0) return out;
        if (__builtin_mul_overflow(base, base, &base)) fail("'**' leaves 64 bits");
    }
}

Value integer_arithmetic(const std::string& name, std::int64_t a, std::int64_t b) {
    std::int64_t out = 0;
    bool overflow = false;
    if (name == "+")
        overflow = __builtin_add_overflow(a, b, &out);
    else if (name == "-")
        overflow = __builtin_sub_overflow(a, b, &out);
    else if (name == "*")
        overflow = __builtin_mul_overflow(a, b, &out);
    else if (name == "**")
        return integer_power(a, b);  // b >= 0
    else {
        if (b == 0) fail("'{}' by zero", name);
        if (name == "/") return static_cast<double>(a) / static_cast<double>(b);
        if (b == -1) {
            overflow = name == "//" && __builtin_sub_overflow(std::int64_t{0}, a, &out);
        } else {
            const bool adjust = a % b != 0 && (a < 0) != (b < 0);
            out = name == "//" ? a / b - adjust : a % b + (adjust ? b : 0);
        }
    }
    if (overflow) fail("'{}' leaves 64 bits", name);
    return out;
}

Value real_arithmetic(const std::string& name, double a, double b) {
    if (name == "+") return a + b;
    if (name == "-") return a - b;
    if (name == "*") return a * b;
    if (name == "**") {
        const double out = std::pow(a, b);
        if ((a == 0 && b < 0) || (std::isnan(out) && !std::isnan(a) && !std::isnan(b)) ||
            (std::isinf(out) && std::isfinite(a) && std::isfinite(b)))
            fail("'**' of {} and {} is no number", a, b);
        return out;
    }
    if (b == 0) fail("'{}' by zero", name);
    if (name == "/") return a / b;
    double rest = std::fmod(a, b);
    double quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0)) {
        rest += b;
        quotient -= 1;
    } else if (rest == 0) {
        rest = std::copysign(0.0, b);
    }
    if (name == "%") return rest;
    if (quotient == 0) return std::copysign(0.0, a / b);
    const double floor = std::floor(quotient);
    return quotient - floor > 0.5 ? floor + 1 : floor;
}

Value repeat(Budget& budget, const Value& value, std::int64_t times) {
    const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
    if (const auto* text = value.get<Text>()) {
        if (count > 0 && text->bytes->size() > kLargestText / count)
            fail("'*' makes a string that is too large");
        std::string out;
        for (std::size_t i = 0; i < count && !text->bytes->empty(); ++i) out += *text->bytes;
        return make_text(budget, std::move(out), text->safe);
    }
    const auto& sequence = *value.sequence();
    const auto size = sequence.items.size();
    if (size > 0 && count > 1'000'000 / size) fail("'*' makes a list that is too large");
    Values items;
    for (std::size_t i = 0; i < count && size > 0; ++i)
        items.insert(items.end(), sequence.items.begin(), sequence.items.end());
    return make_sequence(budget, sequence.kind, std::move(items));
}

bool is_repeatable(const Value& value) {
    const auto* sequence = value.sequence();
    return value.text() || (sequence && (sequence->kind == SequenceKind::list ||
                                         sequence->kind == SequenceKind::tuple));
}

Value add_containers(Budget& budget, const Value& a, const Value& b) {
    const auto *left = a.get<Text>(), *right = b.get<Text>();
    if (left && right) {
        if (left->bytes->size() + right->bytes->size() > kLargestText)
            fail("'+' makes a string that is too large");
        return make_text(budget, added(*left, *right), left->safe || right->safe);
    }
    if (!is_repeatable(a) || !is_repeatable(b) || left || right ||
        a.sequence()->kind != b.sequence()->kind)
        fail_types("+", a, b);
    Values items = a.sequence()->items;
    budget.charge(4 * b.sequence()->items.size());
    items.insert(items.end(), b.sequence()->items.begin(), b.sequence()->items.end());
    return make_sequence(budget, a.sequence()->kind, std::move(items));
}

struct Range {
    std::int64_t first, last, step;  // of the indices to take, last excluded
};

std::int64_t bound_or(const Value& bound, std::int64_t otherwise) {
    if (bound.is_none()) return otherwise;
    const auto whole = bound.integer();
    if (!whole) fail("a slice wants integers, got a {}", type_name(bound));
    return *whole;
}

Range slice_range(std::int64_t size, const Value& start, const Value& stop,
                  const Value& step_value) {
    const auto step = bound_or(step_value, 1);
    if (step == 0) fail("a slice with the step 0");
    const auto low = step > 0 ? 0 : -1, high = step > 0 ? 0 : -1;
    const auto clamp = [&](std::int64_t index) {
        if (index < 0) return std::max<std::int64_t>(index + size, low);
        return std::min<std::int64_t>(index, size + high);
    };
    return {clamp(bound_or(start, step > 0 ? 0 : size - 1)),
            stop.is_none() ? (step > 0 ? size : -1) : clamp(bound_or(stop, 0)), step};
}

template <class Items>
Items take(const Items& items, const Range& range) {
    Items out;
    const auto size = static_cast<std::int64_t>(items.size());
    const auto step = std::clamp(range.step, -size - 1, size + 1);
    for (auto i = range.first; range.step > 0 ? i < range.last : i > range.last; i += step)
        if (i >= 0 && i < size) out.push_back(items[static_cast<std::size_t>(i)]);
    return out;
}

}  // namespace

Value binary(Budget& budget, const std::string& name, const Value& a, const Value& b) {
    if (a.is_number() && b.is_number()) {
        const auto left = a.integer(), right = b.integer();
        if (left && right && !(name == "**" && *right < 0))
            return integer_arithmetic(name, *left, *right);
        return real_arithmetic(name, a.number(), b.number());
    }
    if (name == "+") return add_containers(budget, a, b);
    if (name == "*" && is_repeatable(a) && b.integer()) return repeat(budget, a, *b.integer());
    if (name == "*" && is_repeatable(b) && a.integer()) return repeat(budget, b, *a.integer());
    if (name == "%" && a.text()) fail("'%' on a string is not supported");
    fail_types(name, a, b);
}

Value negative(const Value& value) {
    if (const auto whole = value.integer()) {
        if (*whole == INT64_MIN) fail("'-' leaves 64 bits");
        return -*whole;
    }
    if (const auto* number = value.get<double>()) return -*number;
    fail("'-' does not work on a {}", type_name(value));
}

Value positive(const Value& value) {
    if (const auto whole = value.integer()) return *whole;
    if (value.get<double>()) return value;
    fail("'+' does not work on a {}", type_name(value));
}

Value slice(Budget& budget, const Value& of, const Value& start, const Value& stop,
            const Value& step) {
    if (const auto* missing = of.get<Undefined>())
        fail("{} is undefined and cannot be sliced", missing->hint);
    if (const auto* text = of.get<Text>()) {
        budget.charge(text->bytes->size() / 4);
        const auto points = to_code_points(*text->bytes);
        const auto range = slice_range(static_cast<std::int64_t>(points.size()), start, stop, step);
        return make_text(budget, to_utf8(take(points, range)), text->safe);
    }
    const auto* sequence = of.sequence();
    if (!sequence || !is_repeatable(of)) fail("a {} cannot be sliced", type_name(of));
    budget.charge(sequence->items.size());
    const auto range =
        slice_range(static_cast<std::int64_t>(sequence->items.size()), start, stop, step);
    return make_sequence(budget, sequence->kind, take(sequence->items, range));
}

Value at_index(Budget& budget, const Value& of, std::int64_t index) {
    const auto size = static_cast<std::int64_t>(length(of));
    if (index < 0) index += size;
    if (index < 0 || index >= size) return Undefined{"the item behind the end"};
    if (const auto* sequence = of.sequence())
        return sequence->items[static_cast<std::size_t>(index)];
    const auto& bytes = *of.text();
    budget.charge(bytes.size() / 4);
    std::size_t first = 0;
    while (index-- > 0) next_code_point(bytes, first);
    auto last = first;
    next_code_point(bytes, last);
    return make_text(budget, bytes.substr(first, last - first), of.get<Text>()->safe);
}

}  // namespace hb::jinja
