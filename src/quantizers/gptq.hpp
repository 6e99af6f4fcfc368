// SPDX-License-Identifier: Apache-2.0
// GPTQ (arXiv 2210.17323) with scales fixed beforehand: columns are rounded one after another, and
// each weight's error is made good by the weights of its row that are still to come.
#pragma once

#include "quantizers/quantizer.hpp"

namespace hb {

std::vector<LinearResult> run_gptq(const SiteProblem& problem, Threads& threads);

}  // namespace hb
