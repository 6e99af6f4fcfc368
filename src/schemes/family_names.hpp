// SPDX-License-Identifier: Apache-2.0
// What families are called: in tables of names, and in sentences.
#pragma once

#include "schemes/scheme.hpp"

namespace hb {

struct FamilyNames {
    std::string_view name, title;
};

constexpr FamilyNames names_of(Family family) {
    switch (family) {
        case Family::mx:
            return {"mx", "MXFP4"};
        case Family::nv:
            return {"nv", "NVFP4"};
        case Family::integer:
            return {"integer", "INT4"};
        case Family::zeroed:
            return {"zeroed", "INT4 with zero points"};
        case Family::int8:
            return {"int8", "INT8"};
        case Family::fp8:
            return {"fp8", "FP8"};
        case Family::mxint8:
            return {"mxint8", "MXINT8"};
    }
    return {};
}

}  // namespace hb
