// SPDX-License-Identifier: Apache-2.0
// What a configuration calls a set of modules: a name, "re:" and a regular expression that must
// match from the beginning, or in ModelOpt's and FP-Quant's lists a name with stars or a part of
// one.
#pragma once

#include <memory>
#include <string>

namespace hb::doctor {

enum class Dialect { compressed_tensors, modelopt, fp_quant };

struct Pattern {
    std::string text;
    bool readable = true;
    std::shared_ptr<void> code;  // of a regular expression
    bool parts = false;          // matches below and within

    // "Linear": the name of a class, which matches modules that we cannot know
    bool is_class() const;
    bool matches(const std::string& module) const;
};

Pattern make_pattern(std::string text, Dialect dialect);

}  // namespace hb::doctor
