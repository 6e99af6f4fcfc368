// SPDX-License-Identifier: Apache-2.0
// What this process holds of the machine's memory, as the kernel counts it: pages of mapped files
// that were touched and not given back are among it.
#pragma once

#include <cstdint>

namespace hb {

std::uint64_t peak_rss_bytes();

}  // namespace hb
