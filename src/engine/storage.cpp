// SPDX-License-Identifier: Apache-2.0
#include "engine/storage.hpp"

namespace hb {

WeightStorage storage_for_many_rows(const Kernels& kernels) {
    return multiplies_whole_numbers(kernels) ? WeightStorage::mx_codes : WeightStorage::tiles;
}

bool keeps_codes(Family family, WeightStorage storage) {
    const bool coded = family == Family::mx || family == Family::nv || family == Family::int8;
    return storage == WeightStorage::codes
               ? coded
               : storage == WeightStorage::mx_codes && family == Family::mx;
}

}  // namespace hb
