// SPDX-License-Identifier: Apache-2.0
#include "eval/tasks.hpp"

#include <array>

#include "core/error.hpp"
#include "eval/task_file.hpp"
#include "io/json_fields.hpp"

namespace hb {
namespace {

constexpr std::size_t kMostChoices = 64;

const Json& field(const Json& line, const char* name, const std::string& where) {
    if (const Json* value = find_field(line, name)) return *value;
    fail("{}: no field \"{}\"", where, name);
}

std::string text_in(const Json& line, const char* name, const std::string& where) {
    const Json& value = field(line, name, where);
    if (!value.is_string()) fail("{}: \"{}\" is {}; wanted a string", where, name, shown(value));
    return value.get<std::string>();
}

std::vector<std::string> texts_in(const Json& line, const char* name, const std::string& where) {
    const Json& value = field(line, name, where);
    if (!value.is_array() || value.empty() || value.size() > kMostChoices)
        fail("{}: \"{}\" is {}; wanted a list of 1 to {} strings", where, name, shown(value),
             kMostChoices);
    std::vector<std::string> texts;
    for (const Json& one : value) {
        if (!one.is_string() || one.get_ref<const std::string&>().empty())
            fail("{}: \"{}\" holds {}; wanted strings that are not empty", where, name, shown(one));
        texts.push_back(one.get<std::string>());
    }
    return texts;
}

std::int64_t gold_in(const Json& line, std::size_t choices, const std::string& where) {
    const Json& value = field(line, "gold", where);
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= choices)
        fail("{}: \"gold\" is {}; wanted the number of a choice, 0 to {}", where, shown(value),
             choices - 1);
    return value.get<std::int64_t>();
}

// One question, several answers.
TaskItem choices_of_query(const Json& line, std::string_view cue, std::string where) {
    const std::string context = text_in(line, "query", where) + std::string(cue);
    TaskItem item;
    for (std::string& choice : texts_in(line, "choices", where))
        item.answers.push_back({context, " " + choice, std::move(choice)});
    item.gold = gold_in(line, item.answers.size(), where);
    item.where = std::move(where);
    return item;
}

// Several beginnings, one end of the sentence.
TaskItem contexts_of_end(const Json& line, std::string_view cue, std::string where) {
    const std::string end = " " + text_in(line, "continuation", where);
    TaskItem item;
    for (const std::string& context : texts_in(line, "context_options", where))
        item.answers.push_back({context + std::string(cue), end, context});
    item.gold = gold_in(line, item.answers.size(), where);
    item.where = std::move(where);
    return item;
}

TaskItem last_word(const Json& line, std::string_view cue, std::string where) {
    const std::string word = text_in(line, "continuation", where);
    TaskItem item;
    item.answers.push_back({text_in(line, "context", where) + std::string(cue), " " + word, word});
    item.where = std::move(where);
    return item;
}

constexpr std::array<Task, 7> kTasks = {{
    {"arc_easy", "arc_easy.jsonl", choices_of_query, "\nAnswer:", Measure::acc_norm,
     "questions of school science, 3 to 5 answers"},
    {"piqa", "piqa.jsonl", choices_of_query, "Answer:", Measure::acc_norm,
     "how things of daily life are done, 2 answers"},
    {"winogrande", "winogrande.jsonl", contexts_of_end, "", Measure::acc,
     "whom a sentence means, 2 beginnings"},
    {"boolq", "boolq.jsonl", choices_of_query, "\nAnswer:", Measure::acc,
     "yes or no after a passage"},
    {"openbook_qa", "openbook_qa.jsonl", choices_of_query, "", Measure::acc_norm,
     "elementary science, 4 ends of a sentence"},
    {"hellaswag", "hellaswag-first-1000.txt", choices_of_query, "", Measure::acc_norm,
     "how a scene goes on, 4 endings; six lines an item"},
    {"lambada", "lambada_openai.jsonl", last_word, "", Measure::last_word,
     "the last word of a passage"},
}};

}  // namespace

std::span<const Task> all_tasks() {
    return kTasks;
}

const Task& find_task(std::string_view name) {
    std::string names;
    for (const Task& task : kTasks) {
        if (task.name == name) return task;
        names += (names.empty() ? "" : ", ") + std::string(task.name);
    }
    fail("unknown task '{}'; choose from {}", name, names);
}

std::vector<TaskItem> read_items(const Task& task, const std::filesystem::path& folder,
                                 std::int64_t limit) {
    const std::filesystem::path file = folder / task.file;
    std::vector<TaskItem> items;
    read_task_file(file, limit, [&](const Json& line, std::string where) {
        items.push_back(task.item(line, task.cue, std::move(where)));
    });
    if (items.empty()) fail("{}: no items in it", file.string());
    return items;
}

}  // namespace hb
