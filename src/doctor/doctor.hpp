// SPDX-License-Identifier: Apache-2.0
// Examines a finished checkpoint of anyone's: compressed-tensors, FP-Quant, ModelOpt, GGUF or plain
// floats. What cannot be read is a finding too, and the rest is examined all the same. A kind of
// fault is a line in kinds.cpp, a check a function in the table of doctor.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/parallel.hpp"

namespace hb::doctor {

enum class Severity { note, warning, error };

struct Kind {
    std::string_view name;
    Severity severity;
    std::string_view consequence, cure;
};
std::span<const Kind> all_kinds();
const Kind& find_kind(std::string_view name);  // throws Error when unknown

struct Finding {
    const Kind* kind = nullptr;
    std::string where;        // tensor, module or file
    std::string value;        // what was found there
    bool repairable = false;  // by repair(), exactly
};

struct Examination {
    std::string layout;  // "compressed-tensors nvfp4", "gguf", ...
    std::int64_t files = 0, tensors = 0;
    std::uint64_t bytes = 0;
    std::vector<Finding> findings;  // the worst first
};

// Throws Error when there is no such model. A folder, a .gguf file, or org/name in the cache.
Examination examine(const std::string& model, Threads& threads);

// Writes a copy without the repairable ones of a model's findings to the folder `out`, which must
// be empty or absent, and tells what it did. Throws Error when nothing can be repaired.
std::vector<std::string> repair(const std::string& model, const std::vector<Finding>& findings,
                                const std::filesystem::path& out);

}  // namespace hb::doctor
