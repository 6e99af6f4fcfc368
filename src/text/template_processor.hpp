// SPDX-License-Identifier: Apache-2.0
// The post-processor: ids before and behind one encoded sequence ("single": [<bos>, A]).
#pragma once

#include <cstdint>
#include <vector>

#include "text/fields.hpp"

namespace hb {

struct SpecialIds {
    std::vector<std::int32_t> before, behind;
};

SpecialIds parse_post_processor(const Field& field);

}  // namespace hb
