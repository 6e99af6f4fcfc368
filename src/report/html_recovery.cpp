// SPDX-License-Identifier: Apache-2.0
// Every cell with its figures, the least KL first; and what it answers of the questions.
#include <fmt/format.h>

#include "report/study_page.hpp"

namespace hb {
namespace {

std::string losses(const StudyView& study) {
    HtmlTable table{
        "All cells, the least loss first. KL is per token, in nats; top-1 is the share "
        "of tokens where the likeliest next token is the model's.",
        {"scheme", "recipe", "KL", "perplexity", "ratio", "top-1", "bits"},
        {{"the model", "-", "0", shown(study.perplexity, 3), "1.000", "1.0000", "16"}},
        2};
    for (const CellView* c : study.by_kl())
        table.rows.push_back({c->scheme, c->recipe, shown(c->kl, 4), shown(c->perplexity, 3),
                              shown(c->perplexity / study.perplexity, 3), shown(c->top1, 4),
                              shown(c->bits, 3)});
    return html_table(table);
}

std::string answers(const StudyView& study) {
    if (study.tasks.empty()) return "";
    HtmlTable table{
        "Accuracy in percent with its standard error, and the mean as a share of the "
        "model's.",
        {"scheme", "recipe", "recovery %"},
        {},
        2};
    const auto accuracy = [](const TaskView& t) {
        return shown(100 * t.accuracy, 1) + " ± " + shown(100 * t.error, 1);
    };
    for (const TaskView& task : study.tasks)
        table.head.push_back(fmt::format("{} ({})", task.task, task.items));
    table.rows.push_back({"the model", "-", "100.0"});
    for (const TaskView& task : study.tasks) table.rows.back().push_back(accuracy(task));
    for (const CellView* c : study.by_kl()) {
        table.rows.push_back({c->scheme, c->recipe, shown(recovery(*c, study), 1)});
        for (const TaskView& task : c->tasks) table.rows.back().push_back(accuracy(task));
    }
    return html_heading("Questions") + html_table(table);
}

}  // namespace

std::string section_recovery(const StudyView& study) {
    const auto sorted = study.by_kl();
    if (sorted.empty()) return "";
    const CellView &best = *sorted.front(), &worst = *sorted.back();
    return html_paragraph(fmt::format("{} loses least, a KL of {} to the model; {} most, {}. The "
                                      "model itself has a perplexity of {}.",
                                      best.title(), shown(best.kl, 4), worst.title(),
                                      shown(worst.kl, 4), shown(study.perplexity, 3))) +
           losses(study) + answers(study);
}

}  // namespace hb
