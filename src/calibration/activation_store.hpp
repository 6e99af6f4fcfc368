// SPDX-License-Identifier: Apache-2.0
// One activation of every calibration sequence, bf16: the first ones in memory, the others in a
// spill file that has no name (it vanishes with the process). save() rounds what it is given, so
// that the caller goes on with exactly the values that load() will give later.
#pragma once

#include <cstdint>
#include <filesystem>

#include "core/matrix.hpp"
#include "core/parallel.hpp"

namespace hb {

class ActivationStore {
public:
    // in_memory: how many bytes of memory it may take. spill: an existing folder for the file.
    ActivationStore(std::int64_t sequences, std::int64_t rows, std::int64_t cols,
                    std::int64_t in_memory, const std::filesystem::path& spill);
    ~ActivationStore();
    ActivationStore(const ActivationStore&) = delete;
    ActivationStore& operator=(const ActivationStore&) = delete;

    void load(Threads& threads, std::int64_t sequence, View<float> h);  // (rows, cols)
    void save(Threads& threads, std::int64_t sequence, View<float> h);  // rounds h to bf16 in place

private:
    std::int64_t rows_, cols_, kept_;  // kept_: sequences in memory
    AlignedVector<std::uint16_t> memory_;
    AlignedVector<std::uint16_t> page_;  // one sequence on its way to or from the file
    int descriptor_ = -1;
};

}  // namespace hb
