// SPDX-License-Identifier: Apache-2.0
// A check looks at one thing in a patient that was scanned and adds what it finds.
#pragma once

#include <fmt/format.h>

#include "doctor/patient.hpp"

namespace hb::doctor {

// checks_files.cpp
void check_extents(const Patient&, Findings&);
void check_index(const Patient&, Findings&);
void check_names(const Patient&, Findings&);
// checks_texts.cpp
void check_texts(const Patient&, Findings&);
// checks_config.cpp
void check_patterns(const Patient&, Findings&);
void check_coverage(const Patient&, Findings&);
void check_formats(const Patient&, Findings&);
void check_settings(const Patient&, Findings&);
void check_rotation(const Patient&, Findings&);
// checks_tensors.cpp
void check_model(const Patient&, Findings&);
void check_packing(const Patient&, Findings&);
void check_unexpected(const Patient&, Findings&);
void check_head(const Patient&, Findings&);
void check_tensor_parallel(const Patient&, Findings&);
// checks_scales.cpp
void check_group_scales(const Patient&, Findings&);
void check_global_scales(const Patient&, Findings&);
void check_input_scales(const Patient&, Findings&);
void check_fused(const Patient&, Findings&);
// checks_weights.cpp
void check_weights(const Patient&, Findings&);
void check_codes(const Patient&, Findings&);
// checks_statistics.cpp
void check_permutation(const Patient&, Findings&);
void check_rotated(const Patient&, Findings&);

}  // namespace hb::doctor
