// SPDX-License-Identifier: Apache-2.0
// Round to nearest: every weight by itself.
#pragma once

#include "quantizers/quantizer.hpp"

namespace hb {

std::vector<LinearResult> run_rtn(const SiteProblem& problem, Threads& threads);

}  // namespace hb
