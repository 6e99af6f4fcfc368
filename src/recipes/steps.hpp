// SPDX-License-Identifier: Apache-2.0
// What a recipe adds to GPTQ, each by itself: a table of names, and the set of those chosen.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace hb {

struct Steps {
    bool reference = false;  // outputs of the model before any quantization
    bool scales = false;     // each group's scale when the solver reaches it
    bool descent = false;    // codes and scales one by one, against all of H, once all are chosen
    bool operator==(const Steps&) const = default;
};

struct Step {
    std::string_view name, help;
    bool Steps::*member;
};

std::span<const Step> all_steps();
// "a,b"; "" and "none": none. Throws Error naming the known ones.
Steps parse_steps(std::string_view text);
std::string text_of(const Steps& steps);  // in the table's order

}  // namespace hb
