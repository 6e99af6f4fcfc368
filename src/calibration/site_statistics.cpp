// SPDX-License-Identifier: Apache-2.0
#include "calibration/site_statistics.hpp"

#include <algorithm>

#include "core/float_bits.hpp"

namespace hb {
namespace {

constexpr std::int64_t kTransposedBytes = 32 << 20;  // of tokens at a time

float largest_bf16(std::span<const std::uint16_t> values) {
    std::uint16_t most = 0;
    for (const auto v : values) most = std::max(most, static_cast<std::uint16_t>(v & 0x7fff));
    return bf16_to_float(most);
}

// a - b, in the same order
void subtract(const Operand& a, const Operand& b, Operand& out) {
    shape_operand(a.rows, a.k, Precision::bf16, out);
    const auto n = static_cast<std::size_t>(a.size());
    for (std::size_t i = 0; i < n; ++i)
        out.narrow[i] = float_to_bf16(bf16_to_float(a.narrow[i]) - bf16_to_float(b.narrow[i]));
}

}  // namespace

SiteObserver::SiteObserver(std::int64_t in, bool shifted, int threads)
    : places_(static_cast<std::size_t>(threads)) {
    if (in > 0) sums_.hessian = Matrix<float>(in, in);
    if (in > 0 && shifted) sums_.shift = Matrix<float>(in, in);
}

std::int64_t SiteObserver::chunk(std::int64_t rows) const {
    const std::int64_t k = std::max<std::int64_t>(1, sums_.hessian.cols);
    return std::min(rows, std::max(kTransposedBytes / (4 * k) / 256, std::int64_t{1}) * 256);
}

void SiteObserver::start(std::int64_t rows) {
    rows_ = rows;
    if (!sums_.hessian.empty()) shape_transposed(rows, sums_.hessian.cols, inputs_);
    if (!sums_.shift.empty()) shape_transposed(rows, sums_.shift.cols, differences_);
}

void SiteObserver::take(const Kernels& kernels, int thread, std::int64_t first) {
    Place& place = places_[static_cast<std::size_t>(thread)];
    place.largest = std::max(place.largest, largest_bf16(place.x.narrow));
    if (sums_.hessian.empty()) return;
    take_tokens(kernels, place.x, first, inputs_);
    if (sums_.shift.empty()) return;
    subtract(place.reference, place.x, place.difference);
    take_tokens(kernels, place.difference, first, differences_);
}

void SiteObserver::add(const Kernels& kernels, Threads& threads) {
    const auto k = static_cast<double>(sums_.hessian.cols), rows = static_cast<double>(rows_);
    if (!sums_.hessian.empty()) accumulate_gram(kernels, threads, inputs_, sums_.hessian.view());
    if (!sums_.shift.empty())
        accumulate_product(kernels, threads, differences_, inputs_, sums_.shift.view());
    flops_ += 2 * rows * k * k * (sums_.shift.empty() ? 1 : 3);
}

SiteStatistics SiteObserver::finish() {
    for (const Place& place : places_) sums_.largest = std::max(sums_.largest, place.largest);
    if (!sums_.hessian.empty()) mirror_upper(sums_.hessian.view());
    return std::move(sums_);
}

}  // namespace hb
