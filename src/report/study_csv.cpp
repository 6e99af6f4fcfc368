// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>

#include "report/study_page.hpp"

namespace hb {
namespace {

std::string cell_text(double value) {
    return std::isfinite(value) ? fmt::format("{:.7g}", value) : "";
}

}  // namespace

std::string study_csv(const Json& results) {
    const StudyView study = study_view(results);
    std::string out =
        "scheme,recipe,seed,bits_per_weight,kl,perplexity,top1,recovery,quantize_seconds,"
        "window_seconds,task_seconds";
    for (const TaskView& task : study.tasks) out += "," + task.task + "," + task.task + "_stderr";
    out += "\n";
    for (const CellView& c : study.all_draws) {
        out += fmt::format("{},{},{}", c.scheme, c.recipe, c.seed);
        for (const double value : {c.bits, c.kl, c.perplexity, c.top1, recovery(c, study),
                                   c.quantize_seconds, c.window_seconds, c.task_seconds})
            out += "," + cell_text(value);
        for (std::size_t t = 0; t < study.tasks.size(); ++t)
            out += t < c.tasks.size() ? fmt::format(",{},{}", cell_text(c.tasks[t].accuracy),
                                                    cell_text(c.tasks[t].error))
                                      : ",,";
        out += "\n";
    }
    return out;
}

}  // namespace hb
