// SPDX-License-Identifier: Apache-2.0
#include "recipes/steps.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace hb {
namespace {

constexpr Step kSteps[] = {
    {"reference", "targets are the outputs of the model before any quantization",
     &Steps::reference},
    {"scales", "each group's scale chosen when the solver reaches it", &Steps::scales},
    {"descent", "codes and scales improved one by one after GPTQ", &Steps::descent},
};

}  // namespace

std::span<const Step> all_steps() {
    return kSteps;
}

Steps parse_steps(std::string_view text) {
    Steps steps;
    if (text.empty() || text == "none") return steps;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(',', at), text.size());
        const std::string_view name = text.substr(at, end - at);
        bool found = false;
        std::string known = "none";
        for (const Step& step : kSteps) {
            if (step.name == name) steps.*step.member = found = true;
            known.append(", ").append(step.name);
        }
        if (!found) fail("no step of the solution is called '{}'; known: {}", name, known);
        at = end + 1;
    }
    return steps;
}

std::string text_of(const Steps& steps) {
    std::string text;
    for (const Step& step : kSteps)
        if (steps.*step.member) text.append(text.empty() ? "" : ",").append(step.name);
    return text;
}

}  // namespace hb
