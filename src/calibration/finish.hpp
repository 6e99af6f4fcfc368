// SPDX-License-Identifier: Apache-2.0
// The output folder from finished blocks: weights first, everything else after, config.json last,
// so that a folder with a config.json is a whole model. The bytes depend on the model, the data and
// the options alone: no times, no host.
#pragma once

#include "calibration/settings.hpp"
#include "calibration/work_folder.hpp"

namespace hb {

// run: the description with "layers"; it becomes run.json and, as prose, README.md.
void write_output(const Settings& settings, const Checkpoint& checkpoint, const WorkFolder& work,
                  const Json& run);

}  // namespace hb
