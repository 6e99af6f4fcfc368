// SPDX-License-Identifier: Apache-2.0
// A copy on the device, the measure of its memory.
#pragma once

#include "gpu/status.hpp"

namespace hb::gpu {

Status copy(const void* from, void* to, std::int64_t bytes, Stream stream);

}  // namespace hb::gpu
