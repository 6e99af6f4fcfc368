// SPDX-License-Identifier: Apache-2.0
// Functions that every template sees, and the attributes of `loop`.
#include <array>
#include <chrono>
#include <ctime>

#include "core/error.hpp"
#include "text/filters.hpp"

namespace hb::jinja {
namespace {

constexpr std::size_t kLargestRange = 100'000;  // as jinja2's sandbox

Value range(Interpreter& in, const Arguments& arguments) {
    std::array<std::int64_t, 3> numbers = {0, 0, 1};
    const auto& given = arguments.positional;
    if (given.empty() || given.size() > 3 || !arguments.named.empty())
        fail("range wants one to three numbers");
    for (std::size_t i = 0; i < given.size(); ++i) {
        const auto whole = given[i].integer();
        if (!whole || *whole > INT32_MAX || *whole < INT32_MIN)
            fail("range wants integers of 32 bits, got a {}", type_name(given[i]));
        numbers[given.size() == 1 ? 1 : i] = *whole;
    }
    const auto [first, last, step] = numbers;
    if (step == 0) fail("range with the step 0");
    Values items;
    for (auto i = first; step > 0 ? i < last : i > last; i += step) {
        if (items.size() >= kLargestRange) fail("range of more than {} numbers", kLargestRange);
        items.emplace_back(i);
    }
    return make_sequence(in.budget, SequenceKind::range, std::move(items));
}

std::vector<std::pair<Value, Value>> pairs(Interpreter& in, const char* what,
                                           const Arguments& arguments) {
    std::vector<std::pair<Value, Value>> out;
    if (arguments.positional.size() > 1) fail("{} takes at most one argument by position", what);
    if (!arguments.positional.empty()) {
        const auto& source = arguments.positional[0];
        if (!source.dict())
            fail("{} wants a dict or arguments by name, got a {}", what, type_name(source));
        out = source.dict()->items;
    }
    for (const auto& [name, value] : arguments.named) out.emplace_back(in.text(name), value);
    return out;
}

Value make_namespace(Interpreter& in, const Arguments& arguments) {
    std::vector<std::pair<std::string, Value>> members;
    for (auto& [name, value] : pairs(in, "namespace", arguments)) {
        if (!name.text())
            fail("a namespace's member is named by a {}; wanted a string", type_name(name));
        members.emplace_back(*name.text(), std::move(value));
    }
    return in.make_namespace(std::move(members));
}

Value raise_exception(Interpreter&, const Arguments& arguments) {
    const Bound bound("raise_exception", arguments, {"message"});
    fail("the template refuses this conversation: {}", to_text(bound.value(0)));
}

Value strftime_now(Interpreter& in, const Arguments& arguments) {
    const Bound bound("strftime_now", arguments, {"format"});
    const auto& format = bound.text(0);
    for (std::size_t i = 0; i < format.size(); ++i) {
        if (format[i] != '%') continue;
        ++i;
        if (i < format.size() && format[i] == '-') ++i;
        if (i >= format.size() ||
            std::string_view("aAbBdeHIjlkmMpSTRDFuUVwWyYGhCntsc xXrZz%").find(format[i]) ==
                std::string_view::npos ||
            format[i] == ' ' || format[i] == 's')
            fail("strftime_now: the format '{}' is not supported", format.substr(0, 80));
    }
    std::tm parts{};
    if (const auto* given = in.variable("strftime_now_seconds")) {
        const auto whole = given->integer();
        if (!whole)
            fail("strftime_now_seconds is a {}; wanted the seconds since 1970 (UTC)",
                 type_name(*given));
        const std::time_t seconds = *whole;
        if (!::gmtime_r(&seconds, &parts))
            fail("strftime_now_seconds is {}, which is no time", *whole);
    } else {
        const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
        ::localtime_r(&now, &parts);
    }
    if (format.empty()) return in.text("");
    std::string out(format.size() * 64 + 64, '\0');
    out.resize(std::strftime(out.data(), out.size(), format.c_str(), &parts));
    return in.text(std::move(out));
}

}  // namespace

std::map<std::string, Value, std::less<>> make_functions(Interpreter& in) {
    std::map<std::string, Value, std::less<>> out;
    const auto add = [&](const char* name, Value (*function)(Interpreter&, const Arguments&)) {
        auto body = [&in, function](const Arguments& arguments) { return function(in, arguments); };
        out.emplace(name, std::make_shared<const Callable>(Callable{name, std::move(body)}));
    };
    add("range", range);
    add("namespace", make_namespace);
    add("raise_exception", raise_exception);
    add("strftime_now", strftime_now);
    add("dict", [](Interpreter& inner, const Arguments& arguments) {
        return make_dict(inner.budget, pairs(inner, "dict", arguments));
    });
    return out;
}

Value loop_attribute(Interpreter& in, const std::shared_ptr<Loop>& loop, const std::string& name) {
    const auto& items = *loop->items;
    const auto index0 = static_cast<std::int64_t>(loop->index0),
               size = static_cast<std::int64_t>(items.size());
    if (name == "index") return index0 + 1;
    if (name == "index0") return index0;
    if (name == "revindex") return size - index0;
    if (name == "revindex0") return size - index0 - 1;
    if (name == "first") return index0 == 0;
    if (name == "last") return index0 + 1 == size;
    if (name == "length") return size;
    if (name == "previtem")
        return index0 == 0 ? Value(Undefined{"the item before the first"})
                           : items[loop->index0 - 1];
    if (name == "nextitem")
        return index0 + 1 >= size ? Value(Undefined{"the item behind the last"})
                                  : items[loop->index0 + 1];
    if (name != "cycle" && name != "changed") fail("'loop.{}' is not supported", name);
    const bool cycles = name == "cycle";
    in.budget.charge(4);
    return std::make_shared<const Callable>(Callable{
        name, [loop, cycles](const Arguments& arguments) -> Value {
            const auto& values = arguments.positional;
            if (!arguments.named.empty() || (cycles && values.empty()))
                fail("loop.cycle and loop.changed take values by position");
            if (cycles) return values[loop->index0 % values.size()];
            const bool same =
                loop->changed && std::equal(values.begin(), values.end(), loop->changed->begin(),
                                            loop->changed->end(), equal);
            loop->changed = values;
            return !same;
        }});
}

}  // namespace hb::jinja
