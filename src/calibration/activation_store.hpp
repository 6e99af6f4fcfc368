// SPDX-License-Identifier: Apache-2.0
// The residual stream of every calibration sequence, bf16, in memory or in a spill file that has no
// name (it vanishes with the process). save() rounds what it is given, so that the caller goes on
// with exactly the values that load() will give later.
#pragma once

#include <cstdint>
#include <filesystem>

#include "core/matrix.hpp"
#include "core/parallel.hpp"

namespace hb {

void widen(const std::uint16_t* bf16, std::int64_t n, float* to);
void round_row(float* x, std::int64_t n,
               std::uint16_t* bits);  // x becomes its bf16 value, bits its pattern

class ActivationStore {
public:
    // spill: an existing folder for the file, or empty to stay in memory
    ActivationStore(std::int64_t sequences, std::int64_t rows, std::int64_t cols,
                    const std::filesystem::path& spill);
    ~ActivationStore();
    ActivationStore(const ActivationStore&) = delete;
    ActivationStore& operator=(const ActivationStore&) = delete;

    void load(Threads& threads, std::int64_t sequence, View<float> h);  // (rows, cols)
    void save(Threads& threads, std::int64_t sequence, View<float> h);  // rounds h to bf16 in place

private:
    std::int64_t rows_, cols_;
    AlignedVector<std::uint16_t> memory_;
    AlignedVector<std::uint16_t> page_;  // one sequence on its way to or from the file
    int descriptor_ = -1;
};

}  // namespace hb
