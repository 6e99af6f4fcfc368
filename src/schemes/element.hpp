// SPDX-License-Identifier: Apache-2.0
// From a family to the format of its elements, once for a loop rather than once for an element.
#pragma once

#include "formats/all.hpp"
#include "schemes/scheme.hpp"

namespace hb {

// body(E2M1{}), body(Int4{}), ...
template <class Body>
auto with_element(Family family, const Body& body) {
    switch (family) {
        case Family::int8:
        case Family::mxint8:
            return body(Int8{});
        case Family::fp8:
            return body(E4M3{});
        case Family::integer:
        case Family::zeroed:
            return body(Int4{});
        default:
            return body(E2M1{});
    }
}

}  // namespace hb
