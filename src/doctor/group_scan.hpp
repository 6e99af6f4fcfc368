// SPDX-License-Identifier: Apache-2.0
// Counts of a quantized matrix's groups, rows at a time, on any thread.
#pragma once

#include <cstddef>
#include <string>

#include "doctor/scan.hpp"

namespace hb::doctor {

struct GroupScan {
    Family family = Family::nv;
    std::int64_t rows = 0, cols = 0, group = 0;
    bool blocks = false;  // GGUF's: scales before their codes
    const std::byte *codes = nullptr, *scales = nullptr;
    std::string scale_type;  // of what is no byte: BF16, F16 or F32

    bool possible() const;  // whether rows_of() knows this type of scales and size of groups
    Groups rows_of(std::int64_t first, std::int64_t count) const;
};

void merge(const Groups& part, Groups& sum);

}  // namespace hb::doctor
