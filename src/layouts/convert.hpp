// SPDX-License-Identifier: Apache-2.0
// From one layout to another, tensor by tensor, and the proof that nothing changed: OUT is opened
// again and compared with IN, value by value and code by code.
#pragma once

#include "layouts/layout.hpp"
#include "layouts/proof.hpp"

namespace hb {

struct Conversion {
    Proof proof;
    Notes notes;
};

// Throws Error when OUT cannot hold IN exactly (rounding: unless allow_loss), before anything is
// written where that can be known, and when OUT turns out to differ.
Conversion convert(const std::string& in, const std::filesystem::path& out, const Layout& to,
                   const WriteOptions& options);

}  // namespace hb
