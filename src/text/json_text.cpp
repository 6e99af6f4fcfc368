// SPDX-License-Identifier: Apache-2.0
// tojson as Transformers defines it: Python's json.dumps with ensure_ascii=False by default.
#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "text/filters.hpp"
#include "text/unicode.hpp"

namespace hb::jinja {
namespace {

struct Writer {
    bool ensure_ascii = false, sort_keys = false;
    std::optional<std::string> indent;
    std::string item_separator, key_separator;
    std::string out = {};

    void escaped(std::uint32_t unit) { out += fmt::format("\\u{:04x}", unit); }

    void text(const std::string& value) {
        out += '"';
        for (std::size_t at = 0; at < value.size();) {
            const char32_t c = next_code_point(value, at);
            constexpr std::u32string_view kSpecial = U"\"\\\n\r\t\f\b";
            const auto known = kSpecial.find(c);
            if (known != std::u32string_view::npos)
                (out += '\\') += "\"\\nrtfb"[known];
            else if (c < 0x20 || (ensure_ascii && c >= 0x7f && c < 0x10000 && c != 0x7f))
                escaped(c);
            else if (ensure_ascii && c >= 0x10000)
                escaped(0xd7c0 + (c >> 10)), escaped(0xdc00 + (c & 0x3ff));
            else
                append_utf8(out, c);
        }
        out += '"';
    }

    void number(double x) {
        if (std::isnan(x))
            out += "NaN";
        else if (std::isinf(x))
            out += x < 0 ? "-Infinity" : "Infinity";
        else
            out += float_repr(x);
    }

    void line(int depth) {
        if (!indent) return;
        out += '\n';
        for (int i = 0; i < depth; ++i) out += *indent;
    }

    void key(const Value& value) {
        if (value.text()) return text(*value.text());
        if (value.is_none()) return text("null");
        if (const auto* flag = value.get<bool>()) return text(*flag ? "true" : "false");
        if (!value.is_number()) fail("tojson: a {} cannot be a key", type_name(value));
        out += '"';
        write(value, 0);
        out += '"';
    }

    void list(const Values& items, int depth) {
        if (items.empty()) return void(out += "[]");
        out += '[';
        for (std::size_t i = 0; i < items.size(); ++i) {
            if (i) out += item_separator;
            line(depth + 1);
            write(items[i], depth + 1);
        }
        line(depth);
        out += ']';
    }

    void dict(const Dict& value, int depth) {
        if (value.items.empty()) return void(out += "{}");
        std::vector<const std::pair<Value, Value>*> order;
        for (const auto& item : value.items) order.push_back(&item);
        if (sort_keys)
            std::stable_sort(order.begin(), order.end(),
                             [](auto a, auto b) { return compare(a->first, b->first) < 0; });
        out += '{';
        for (std::size_t i = 0; i < order.size(); ++i) {
            if (i) out += item_separator;
            line(depth + 1);
            key(order[i]->first);
            out += key_separator;
            write(order[i]->second, depth + 1);
        }
        line(depth);
        out += '}';
    }

    void write(const Value& value, int depth) {
        if (out.size() > kLargestText) fail("tojson makes a string that is too large");
        if (value.is_none())
            out += "null";
        else if (const auto* flag = value.get<bool>())
            out += *flag ? "true" : "false";
        else if (const auto* whole = value.get<std::int64_t>())
            out += std::to_string(*whole);
        else if (const auto* real = value.get<double>())
            number(*real);
        else if (value.text())
            text(*value.text());
        else if (value.dict())
            dict(*value.dict(), depth);
        else if (value.sequence() && (value.sequence()->kind == SequenceKind::list ||
                                      value.sequence()->kind == SequenceKind::tuple))
            list(value.sequence()->items, depth);
        else
            fail("tojson: a value of the type {} is not JSON", type_name(value));
    }
};

}  // namespace

std::string to_json_text(const Value& value, const Arguments& arguments) {
    const Bound bound("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
    Writer writer;
    writer.ensure_ascii = bound.flag_or(0, false);
    writer.sort_keys = bound.flag_or(3, false);
    if (bound[1] && !bound[1]->is_none()) {
        if (bound[1]->text())
            writer.indent = *bound[1]->text();
        else
            writer.indent = std::string(
                static_cast<std::size_t>(std::clamp<std::int64_t>(bound.integer_or(1, 0), 0, 100)),
                ' ');
    }
    writer.item_separator = writer.indent ? "," : ", ";
    writer.key_separator = ": ";
    if (bound[2] && !bound[2]->is_none()) {
        const auto* pair = bound[2]->sequence();
        if (!pair || pair->items.size() != 2 || !pair->items[0].text() || !pair->items[1].text())
            fail("tojson: separators is a {}; wanted two strings", type_name(*bound[2]));
        writer.item_separator = *pair->items[0].text();
        writer.key_separator = *pair->items[1].text();
    }
    writer.write(value, 0);
    return std::move(writer.out);
}

}  // namespace hb::jinja
