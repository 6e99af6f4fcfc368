// SPDX-License-Identifier: Apache-2.0
// What is gathered of a site's input over the calibration rows: H = sum x^T x and the largest |x|;
// and, where the outputs are to be those of other rows x*, the shift D = sum (x* - x)^T x, its
// differences rounded to bf16. Rows are transformed and in bf16.
#pragma once

#include <vector>

#include "core/matrix.hpp"
#include "kernels/kernels.hpp"

namespace hb {

struct SiteStatistics {
    Matrix<float> hessian, shift;  // (in, in), or empty
    float largest = 0;             // |x|
};

// Rows of a site, some at a time; the parts of a chunk may be taken on several threads.
class SiteObserver {
public:
    // in: 0 when no Hessian is wanted
    SiteObserver(std::int64_t in, bool shifted, int threads);

    std::int64_t chunk(std::int64_t rows) const;  // rows at a time, of so many
    void start(std::int64_t rows);
    Operand& x(int thread) { return places_[static_cast<std::size_t>(thread)].x; }
    Operand& reference(int thread) { return places_[static_cast<std::size_t>(thread)].reference; }
    // x(thread), and when shifted reference(thread), hold the rows from `first` of the chunk on.
    void take(const Kernels& kernels, int thread, std::int64_t first);
    void add(const Kernels& kernels, Threads& threads);
    SiteStatistics finish();

    double flops() const { return flops_; }

private:
    struct Place {
        Operand x, reference, difference;
        float largest = 0;
    };
    SiteStatistics sums_;
    std::vector<Place> places_;
    Transposed inputs_, differences_;
    std::int64_t rows_ = 0;
    double flops_ = 0;
};

}  // namespace hb
