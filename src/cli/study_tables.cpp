// SPDX-License-Identifier: Apache-2.0
#include "cli/study_tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "report/table.hpp"

namespace hb {
namespace {

double rounded(double value, int digits) {
    return std::strtod(fmt::format("{:.{}g}", value, digits).c_str(), nullptr);
}

std::vector<std::string> names_of(const ScaleChoice& c) {
    return {std::string(c.element), std::string(c.scale), std::string(c.rule)};
}

std::string rotation_name(int block) {
    return block == 1 ? "none" : fmt::format("hadamard:{}", block);
}

template <class Row>
std::vector<std::string> samples_of(const std::vector<Row>& rows) {
    std::vector<std::string> names;
    for (const Row& row : rows) {
        if (std::ranges::find(names, row.sample) == names.end()) names.push_back(row.sample);
    }
    return names;
}

const FormatRow* find_row(const std::vector<FormatRow>& rows, const std::string& sample,
                          const ScaleChoice& choice, int group, int rotation) {
    const auto found = std::ranges::find_if(rows, [&](const FormatRow& row) {
        return row.sample == sample && row.choice == &choice && row.group == group &&
               row.rotation == rotation;
    });
    return found == rows.end() ? nullptr : &*found;
}

std::string mse_cell(const FormatRow* row) {
    return row ? fmt::format("{:.5f}", row->loss.relative_mse) : "-";
}

Table table_of(const std::vector<FormatRow>& rows, const std::string& sample) {
    Table table{{"element", "scale", "rule"}, {}};
    for (const int group : kStudyGroups) table.head.push_back(fmt::format("g{}", group));
    for (const int group : {16, 32}) table.head.push_back(fmt::format("g{} rotated", group));
    for (const int group : {16, 32}) table.head.push_back(fmt::format("g{} top", group));
    for (const ScaleChoice& choice : all_scale_choices()) {
        table.rows.push_back(names_of(choice));
        auto& cells = table.rows.back();
        const auto row = [&](int group, int rotation) {
            return find_row(rows, sample, choice, group, rotation);
        };
        for (const int group : kStudyGroups) cells.push_back(mse_cell(row(group, 1)));
        for (const int group : {16, 32}) cells.push_back(mse_cell(row(group, group)));
        for (const int group : {16, 32})
            cells.push_back(row(group, 1) ? fmt::format("{:.4f}", row(group, 1)->loss.top_error)
                                          : "-");
    }
    return table;
}

// The verdicts of all choices: a column for each (sample or group, rotation) that `wanted` takes.
template <class Name, class Wanted>
Table verdicts(const std::vector<Crossover>& all, const Name& name, const Wanted& wanted) {
    Table table{{"element", "scale", "rule"}, {}};
    for (const ScaleChoice& choice : all_scale_choices()) {
        std::vector<std::string> cells = names_of(choice);
        for (const Crossover& c : all) {
            if (!wanted(c)) continue;
            const std::string column = name(c);
            auto at = std::ranges::find(table.head, column);
            if (at == table.head.end()) at = table.head.insert(at, column);
            if (c.choice != &choice) continue;
            cells.resize(std::max(cells.size(), table.head.size()), "-");
            cells[static_cast<std::size_t>(at - table.head.begin())] = c.verdict;
        }
        if (cells.size() > 3) table.rows.push_back(cells);
    }
    return table;
}

std::string title_of(const ScaleChoice& c) {
    return fmt::format("{}", fmt::join(names_of(c), " "));
}

// An entry for each sample and rotation: arrays by group size.
Json rows_json(const FormatStudy& study) {
    Json all = Json::array();
    for (const FormatRow& row : study.rows) {
        const std::string rotation = rotation_name(row.rotation);
        if (all.empty() || all.back()["sample"] != row.sample || all.back()["rotation"] != rotation)
            all.push_back({{"sample", row.sample},
                           {"rotation", rotation},
                           {"kurtosis", rounded(row.kurtosis, 4)},
                           {"groups", Json::array()}});
        Json& entry = all.back();
        if (entry["groups"].empty() || entry["groups"].back() != row.group)
            entry["groups"].push_back(row.group);
        Json& of_choice = entry["scales"][title_of(*row.choice)];
        of_choice["relative_mse"].push_back(rounded(row.loss.relative_mse, 4));
        of_choice["standard_error"].push_back(rounded(row.loss.standard_error, 2));
        of_choice["top_error"].push_back(rounded(row.loss.top_error, 3));
        of_choice["top_mse"].push_back(rounded(row.loss.top_mse, 3));
    }
    return all;
}

// An entry for each rotation, and group size if they are along kurtosis.
Json crossovers_json(const std::vector<Crossover>& crossovers) {
    Json all = Json::array();
    for (const Crossover& c : crossovers) {
        Json key;
        key["rotation"] = rotation_name(c.rotation);
        if (c.group > 0) key["group"] = c.group;
        if (!c.sample.empty()) key["sample"] = c.sample;
        auto entry = std::ranges::find_if(all, [&](const Json& other) {
            return std::ranges::all_of(key.items(), [&](const auto& item) {
                return other.value(item.key(), Json()) == item.value();
            });
        });
        if (entry == all.end()) entry = all.insert(all.end(), key);
        Json& of_choice = (*entry)["scales"][title_of(*c.choice)];
        of_choice["verdict"] = c.verdict;
        if (c.group == 0) continue;  // along group sizes the ratios are those of the rows
        for (const RatioPoint& p : c.points) of_choice["ratio"].push_back(rounded(p.ratio, 4));
    }
    return all;
}

std::string text_of(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// A choice in one line.
std::string in_lines(const Json& entries) {
    std::string text;
    for (Json entry : entries) {
        const Json scales = entry["scales"];
        entry.erase("scales");
        std::string head = text_of(entry);
        head.pop_back();
        std::string lines;
        for (const auto& [name, figures] : scales.items())
            lines += fmt::format("{}\n      {}: {}", lines.empty() ? "" : ",", text_of(name),
                                 text_of(figures));
        text += fmt::format("{}\n    {},\"scales\":{{{}}}}}", text.empty() ? "" : ",", head, lines);
    }
    return "[" + text + "\n  ]";
}

}  // namespace

std::string format_study_text(const FormatStudy& study) {
    std::string text;
    for (const std::string& sample : samples_of(study.rows))
        text += fmt::format(
            "{}: relative MSE by group size; rotated by a Hadamard block of the group; mean "
            "relative error of a group's largest element\n{}\n",
            sample, plain_text(table_of(study.rows, sample)));
    text += "what a rotation by hadamard:128 does, by group size\n" +
            plain_text(verdicts(
                study.by_group, [](const Crossover& c) { return c.sample; },
                [](const Crossover& c) { return c.rotation == 128 && c.sample != "normal"; }));
    text += "\nwhat a rotation does, by the kurtosis of what is rotated (3.5 to 80)\n" +
            plain_text(verdicts(
                study.by_kurtosis,
                [](const Crossover& c) {
                    return fmt::format("g{} {}", c.group, rotation_name(c.rotation));
                },
                [](const Crossover& c) {
                    return (c.group == 16 || c.group == 32) &&
                           (c.rotation == c.group || c.rotation == 128);
                }));
    return text;
}

std::string format_study_csv(const FormatStudy& study) {
    std::string text =
        "sample,element,scale,rule,rotation,group,kurtosis,relative_mse,standard_error,top_error,"
        "top_mse\n";
    for (const FormatRow& r : study.rows)
        text += fmt::format("{},{},{},{},{},{},{:.5g},{:.6g},{:.3g},{:.6g},{:.6g}\n", r.sample,
                            r.choice->element, r.choice->scale, r.choice->rule,
                            rotation_name(r.rotation), r.group, r.kurtosis, r.loss.relative_mse,
                            r.loss.standard_error, r.loss.top_error, r.loss.top_mse);
    return text;
}

std::string format_study_json(const FormatStudy& study, const Json& what) {
    std::string text = "{\n";
    for (const auto& [key, value] : what.items())
        text += fmt::format("  \"{}\": {},\n", key, text_of(value));
    text += fmt::format("  \"kurtoses\": [{}],\n", fmt::join(kStudyKurtoses, ","));
    return text + "  \"rows\": " + in_lines(rows_json(study)) +
           ",\n  \"by_group\": " + in_lines(crossovers_json(study.by_group)) +
           ",\n  \"by_kurtosis\": " + in_lines(crossovers_json(study.by_kurtosis)) + "\n}\n";
}

}  // namespace hb
