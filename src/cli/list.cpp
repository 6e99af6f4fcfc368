// SPDX-License-Identifier: Apache-2.0
// halfbyte list KIND: the tables, as they are compiled in.
#include <fmt/format.h>

#include <memory>

#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/terminal.hpp"
#include "eval/tasks.hpp"
#include "layouts/layout.hpp"
#include "model/config.hpp"
#include "recipes/recipe.hpp"
#include "report/table.hpp"
#include "schemes/family_names.hpp"

namespace hb {
namespace {

Json list_schemes() {
    Json rows = Json::array();
    for (const Scheme& s : all_schemes())
        rows.push_back({{"name", s.name},
                        {"bits_per_weight", s.bits_per_weight()},
                        {"group", s.by_row() ? Json("row") : Json(s.group)},
                        {"activations",
                         fmt::format("{} bits", s.quantized_activations ? s.element_bits() : 16)},
                        {"help", s.help}});
    return rows;
}

Json list_scale_rules() {
    Json rows = Json::array();
    for (const ScaleRule& r : all_scale_rules())
        rows.push_back({{"name", r.name},
                        {"family", names_of(r.family).name},
                        {"for", r.family == Family::mxint8 ? "activations"
                                : r.online                 ? "weights, activations"
                                                           : "weights"},
                        {"help", r.help}});
    return rows;
}

Json list_transforms() {
    Json rows = Json::array({{{"name", "none"}, {"blocks", "-"}, {"help", "no transform"}}});
    for (const TransformKind& t : all_transforms())
        rows.push_back({{"name", t.name},
                        {"blocks", t.power_of_two ? "powers of two" : "any divisor"},
                        {"help", t.help}});
    return rows;
}

Json list_recipes() {
    Json rows = Json::array();
    for (const Recipe& r : all_recipes())
        rows.push_back({{"name", r.name}, {"quantizer", r.quantizer}, {"help", r.help}});
    return rows;
}

Json list_architectures() {
    Json rows = Json::array();
    for (const Architecture& a : all_architectures())
        rows.push_back({{"name", a.name}, {"model_type", a.model_type}, {"help", a.help}});
    return rows;
}

Json list_layouts() {
    Json rows = Json::array();
    for (const Layout& l : all_layouts())
        rows.push_back({{"name", l.name},
                        {"schemes", l.holds},
                        {"online rotations", l.rotations},
                        {"mxfp4 divisor", l.factor},
                        {"help", l.help}});
    return rows;
}

Json list_tasks() {
    Json rows = Json::array();
    for (const Task& t : all_tasks())
        rows.push_back({{"name", t.name}, {"file", t.file}, {"help", t.help}});
    return rows;
}

struct Kind {
    const char* name;
    Json (*rows)();
};
constexpr Kind kKinds[] = {{"schemes", list_schemes},
                           {"scale-rules", list_scale_rules},
                           {"transforms", list_transforms},
                           {"recipes", list_recipes},
                           {"architectures", list_architectures},
                           {"layouts", list_layouts},
                           {"tasks", list_tasks}};

std::string cell(const Json& value) {
    return value.is_string()         ? value.get<std::string>()
           : value.is_number_float() ? fmt::format("{:g}", value.get<double>())
                                     : value.dump();
}

void list_command(const std::string& wanted, const std::filesystem::path& json) {
    for (const Kind& kind : kKinds) {
        if (wanted != kind.name) continue;
        const Json rows = kind.rows();
        Table table;
        for (const Json& row : rows) {
            table.head.clear();
            table.rows.emplace_back();
            for (const auto& [key, value] : row.items()) {
                table.head.push_back(key);
                table.rows.back().push_back(cell(value));
            }
        }
        print(plain_text(table));
        write_json(json, rows);
    }
}

}  // namespace

Action define_list(CLI::App& app) {
    struct Arguments {
        std::string kind;
        std::filesystem::path json;
    };
    const auto a = std::make_shared<Arguments>();
    std::vector<std::string> names;
    for (const Kind& kind : kKinds) names.emplace_back(kind.name);
    app.add_option("KIND", a->kind,
                   "schemes, scale-rules, transforms, recipes, architectures, layouts or tasks")
        ->required()
        ->check(CLI::IsMember(names));
    add_json(app, a->json);
    return [a] { list_command(a->kind, a->json); };
}

}  // namespace hb
