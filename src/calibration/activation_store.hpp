// SPDX-License-Identifier: Apache-2.0
// One activation of every calibration sequence, bf16: the first ones in memory, the others in a
// spill file that has no name (it vanishes with the process). save() rounds what it is given in
// place, so that the caller goes on with exactly the values that load() will give later.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "core/matrix.hpp"

namespace hb {

class ActivationStore {
public:
    // in_memory: how many bytes of memory it may take. spill: an existing folder for the file.
    // threads: how many may move rows at once, numbered from 0.
    ActivationStore(std::int64_t sequences, std::int64_t rows, std::int64_t cols,
                    std::int64_t in_memory, const std::filesystem::path& spill, int threads);
    ~ActivationStore();
    ActivationStore(const ActivationStore&) = delete;
    ActivationStore& operator=(const ActivationStore&) = delete;

    // Rows of a sequence from `first` on.
    void load(int thread, std::int64_t sequence, std::int64_t first, View<float> h);
    void save(int thread, std::int64_t sequence, std::int64_t first, View<float> h);

private:
    // Where the row lies among those that are in memory, or in the file.
    std::size_t place(std::int64_t sequence, std::int64_t row) const;
    std::uint16_t* page(int thread, std::int64_t rows);

    std::int64_t rows_, cols_, kept_;  // kept_: sequences in memory
    AlignedVector<std::uint16_t> memory_;
    std::vector<AlignedVector<std::uint16_t>> pages_;  // rows on their way to or from the file
    int descriptor_ = -1;
};

}  // namespace hb
