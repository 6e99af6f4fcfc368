// SPDX-License-Identifier: Apache-2.0
// One activation of every calibration sequence, bf16: the first ones in memory, the others in a
// spill file that has no name (it vanishes with the process). save() rounds what it is given in
// place, so that the caller goes on with exactly the values that load() will give later. What a
// caller packs itself can be kept in the rows' place instead, until rows are saved there again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "kernels/kernels.hpp"

namespace hb {

class ActivationStore {
public:
    // in_memory: how many bytes of memory it may take. spill: an existing folder for the file.
    // threads: how many may move rows at once, numbered from 0. cols: the most of a row.
    ActivationStore(const Kernels& kernels, std::int64_t sequences, std::int64_t rows,
                    std::int64_t cols, std::int64_t in_memory, const std::filesystem::path& spill,
                    int threads);
    ~ActivationStore();
    ActivationStore(const ActivationStore&) = delete;
    ActivationStore& operator=(const ActivationStore&) = delete;

    // Rows of a sequence from `first` on.
    void load(int thread, std::int64_t sequence, std::int64_t first, View<float> h);
    void save(int thread, std::int64_t sequence, std::int64_t first, View<float> h);
    // In the place of the rows from `first` on, and no more than they take.
    void load(std::int64_t sequence, std::int64_t first, std::span<std::uint16_t> packed) const;
    void save(std::int64_t sequence, std::int64_t first, std::span<const std::uint16_t> packed);

private:
    // Where the row lies among those that are in memory, or in the file.
    std::size_t place(std::int64_t sequence, std::int64_t row) const;
    std::uint16_t* page(int thread, std::size_t size);
    void read(std::uint16_t* to, std::size_t size, std::size_t place) const;
    void write(const std::uint16_t* from, std::size_t size, std::size_t place) const;

    const Kernels& kernels_;
    std::int64_t rows_, cols_, kept_;  // kept_: sequences in memory
    AlignedVector<std::uint16_t> memory_;
    std::vector<AlignedVector<std::uint16_t>> pages_;  // rows on their way to or from the file
    int descriptor_ = -1;
};

}  // namespace hb
