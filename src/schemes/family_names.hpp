// SPDX-License-Identifier: Apache-2.0
// What families are called: in tables of names, and in sentences.
#pragma once

#include "schemes/scheme.hpp"

namespace hb {

struct FamilyNames {
    std::string_view name, title;
};

constexpr FamilyNames names_of(Family family) {
    constexpr FamilyNames kNames[] = {
        {"mx", "MXFP4"},  {"nv", "NVFP4"}, {"integer", "INT4"}, {"zeroed", "INT4 with zero points"},
        {"int8", "INT8"}, {"fp8", "FP8"},
    };
    return kNames[static_cast<int>(family)];
}

}  // namespace hb
