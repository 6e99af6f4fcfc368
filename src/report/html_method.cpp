// SPDX-License-Identifier: Apache-2.0
// What the figures are of: model, data, what was left out and why.
#include <fmt/format.h>

#include "report/study_page.hpp"

namespace hb {
namespace {

std::string text_of(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.is_null() ? "-" : value.dump();
}

}  // namespace

std::string section_method(const StudyView& study) {
    const Json windows = study.about.value("windows", Json::object()),
               calibration = study.about.value("calibration", Json::object());
    const auto of = [](const Json& object, const char* key) {
        return object.contains(key) ? text_of(object[key]) : std::string("-");
    };
    HtmlTable table{"What the study was made of.", {"what", "value"}, {}};
    table.rows = {{"model", of(study.about, "model")},
                  {"fingerprint of its weights", of(study.about, "fingerprint")},
                  {"measured on", fmt::format("{}: {} windows of {} tokens", of(windows, "file"),
                                              of(windows, "count"), of(windows, "length"))},
                  {"calibration",
                   fmt::format("{}: {} rows of {} tokens", of(calibration, "source"),
                               of(calibration, "sequences"), of(calibration, "sequence_length"))},
                  {"calibration draws", of(calibration, "draws")},
                  {"program", "halfbyte " + of(study.about, "version")}};
    std::string body =
        html_paragraph(
            "All linears of the blocks are quantized; embedding, head, norms and attention are "
            "not. Every window starts with an empty context; perplexity is the exponential of the "
            "mean cross-entropy, KL that of the model's next-token distribution to the quantized "
            "one's, both over all tokens of the windows.") +
        html_table(table);
    const Json left_out = study.about.value("left_out", Json::array());
    if (left_out.empty()) return body;
    HtmlTable missing{"What the model's shapes do not allow.", {"scheme", "recipe", "why"}, {}, 2};
    for (const Json& one : left_out)
        missing.rows.push_back({of(one, "scheme"), of(one, "recipe"), of(one, "reason")});
    return body + html_details("Left out", html_table(missing));
}

}  // namespace hb
