// SPDX-License-Identifier: Apache-2.0
#include "engine/storage.hpp"

namespace hb {

WeightStorage storage_for_many_rows(const Kernels& kernels) {
    return multiplies_whole_numbers(kernels) ? WeightStorage::mx_codes : WeightStorage::tiles;
}

bool keeps_codes(Family family, WeightStorage storage) {
    return storage != WeightStorage::tiles &&
           (family == Family::mx || (family == Family::nv && storage == WeightStorage::codes));
}

}  // namespace hb
