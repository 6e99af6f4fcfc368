// SPDX-License-Identifier: Apache-2.0
// A number as it lies in a file: little endian, at any address.
#pragma once

#include <cstddef>
#include <cstring>

namespace hb {

template <class T>
T load(const std::byte* p) {
    T value;
    std::memcpy(&value, p, sizeof(T));
    return value;
}

}  // namespace hb
