// SPDX-License-Identifier: Apache-2.0
#include "text/template_processor.hpp"

#include "core/error.hpp"

namespace hb {
namespace {

std::vector<std::int32_t> special_ids(const Field& special_tokens, const std::string& name) {
    const auto entry = special_tokens[name];
    std::vector<std::int32_t> out;
    for (const auto& id : entry["ids"].items()) {
        if (id.integer() < 0) id.refuse("an id");
        out.push_back(static_cast<std::int32_t>(id.integer()));
    }
    return out;
}

SpecialIds parse_template(const Field& field) {
    field.only({"type", "single", "pair", "special_tokens"});
    SpecialIds out;
    bool seen = false;
    for (const auto& piece : field["single"].items()) {
        piece.only({"SpecialToken", "Sequence"});
        if (const auto sequence = piece["Sequence"]; !sequence.is_null()) {
            if (seen || sequence["id"].text() != "A") sequence.refuse("sequence A, once");
            seen = true;
            continue;
        }
        auto& side = seen ? out.behind : out.before;
        const auto ids = special_ids(field["special_tokens"], piece["SpecialToken"]["id"].text());
        side.insert(side.end(), ids.begin(), ids.end());
    }
    if (!seen) field["single"].refuse("a template with sequence A");
    return out;
}

void parse_into(const Field& field, SpecialIds& out, int depth) {
    if (field.is_null()) return;
    const auto type = field["type"].text();
    if (type == "ByteLevel") return;  // moves offsets, not ids
    if (type == "TemplateProcessing") {
        const auto outer = parse_template(field);
        out.before.insert(out.before.begin(), outer.before.begin(), outer.before.end());
        out.behind.insert(out.behind.end(), outer.behind.begin(), outer.behind.end());
    } else if (type == "Sequence" && depth < 4) {
        field.only({"type", "processors"});
        for (const auto& item : field["processors"].items()) parse_into(item, out, depth + 1);
    } else {
        field["type"].refuse("ByteLevel, TemplateProcessing or a flat Sequence of them");
    }
}

}  // namespace

SpecialIds parse_post_processor(const Field& field) {
    SpecialIds out;
    parse_into(field, out, 0);
    return out;
}

}  // namespace hb
