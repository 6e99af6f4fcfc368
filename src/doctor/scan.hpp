// SPDX-License-Identifier: Apache-2.0
// One pass over every byte of the weights, in parts of about a megabyte that leave memory
// afterwards. A group of codes costs one count: its scale's byte among the groups that have a code
// other than zero, or among those that have none. What scales mean is judged later, from the
// counts.
#pragma once

#include <cstdint>

#include "core/parallel.hpp"
#include "schemes/scheme.hpp"

namespace hb::doctor {

struct Patient;

struct Numbers {  // of a dense tensor
    bool scanned = false;
    bool zero = true;                          // all of them
    std::uint64_t bad = 0, first_bad = ~0ull;  // NaN and infinite
};

enum ScaleFault { kNan, kInfinite, kNegative, kZero, kSubnormal, kCoarse, kOverflow, kScaleFaults };

// The faults of one scale, as bits; live: its group has a code other than zero. Bytes of MX and NV,
// else fp32 numbers.
unsigned faults_of_byte(Family family, std::uint8_t byte, bool live);
unsigned faults_of_number(Family family, float scale, bool live);
float scale_of_byte(Family family, std::uint8_t byte);
float largest_code(Family family);  // magnitude

struct Groups {  // of a quantized module
    bool scanned = false;
    std::uint64_t groups = 0, dead = 0, codes = 0, saturated = 0, bad_codes = 0;
    std::uint64_t faults[kScaleFaults] = {}, first[kScaleFaults] = {};  // first: index of a group
    float largest = 0;                                                  // scale of a live group
};

void scan(Patient& patient, Threads& threads);

}  // namespace hb::doctor
