// SPDX-License-Identifier: Apache-2.0
// What the quantizers share: the checks of a problem, its cut into strips of rows, rows of a
// quantized matrix.
#pragma once

#include <vector>

#include "quantizers/quantizer.hpp"

namespace hb {

struct Strip {
    std::size_t weight;
    std::int64_t first, rows;
};

// Throws Error naming the weight that does not fit its scales, its group or its neighbours.
void check_site(std::string_view quantizer, const SiteProblem& problem);
std::vector<Strip> cut_into_strips(std::span<const View<const float>> weights, std::int64_t height);

QTensor middle_rows(const QTensor& q, std::int64_t first, std::int64_t count);

}  // namespace hb
